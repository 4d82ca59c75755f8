"""What is held back while much is in flight, and when it goes."""

from typing import cast

from ingest.waves import FEW, Departure, Waves


def departure(name: str) -> Departure:
    return cast("Departure", (name, [], []))


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_goes_at_once_while_little_is_in_flight() -> None:
    assert not Waves(Clock()).holds(in_flight=FEW - 1)


def test_leaves_together_in_order_once_the_last_wave_is_acknowledged() -> None:
    waves = Waves(Clock())
    assert waves.holds(in_flight=FEW)
    waves.hold(departure("first"))
    waves.hold(departure("second"))
    assert waves.due(in_flight=FEW) == ()
    assert waves.due(in_flight=FEW - 1) == [departure("first"), departure("second")]
    assert waves.due(in_flight=0) == ()


def test_nothing_overtakes_what_is_held() -> None:
    waves = Waves(Clock())
    waves.hold(departure("first"))
    assert waves.holds(in_flight=0)


def test_a_partition_without_a_leader_does_not_keep_the_others() -> None:
    """What is in flight to it is acknowledged late or never."""
    clock = Clock()
    waves = Waves(clock)
    waves.hold(departure("first"))
    clock.now += 0.05
    waves.hold(departure("second"))
    assert waves.due(in_flight=FEW) == ()
    clock.now += 0.06
    assert waves.due(in_flight=FEW) == [departure("first"), departure("second")]
    waves.hold(departure("third"))
    assert waves.due(in_flight=FEW) == ()
