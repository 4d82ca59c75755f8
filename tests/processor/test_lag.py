"""The lag grows with the clock while nothing moves, and says nothing that is not known."""

import pytest

from processor.lag import Lag, Latencies
from processor.records import Record

NOW = 1_000_000.0


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


class World:
    """A lag of partition 0, and its figures as they are scraped."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.lag = Lag(self.clock)
        self.lag.came([0])

    def figures(self, after_s: float = 0.0) -> tuple[float, float]:
        self.clock.now += after_s
        records, seconds = ({s.labels["partition"]: s.value for s in family.samples} for family in self.lag.collect())
        return records["0"], seconds["0"]

    def read(self, offset: int, age_s: float) -> None:
        self.lag.handed_out({0: record(offset, self.clock.now - age_s)})

    def commit(self, offset: int, age_s: float) -> None:
        self.lag.committed({0: record(offset, self.clock.now - age_s)})


def record(offset: int, at: float, received: float | None = None) -> Record:
    return Record(0, offset, None, b"", "w", None if received is None else round(received * 1000), round(at * 1000))


@pytest.fixture
def world() -> World:
    return World()


def test_what_is_handed_out_is_behind_until_it_is_committed(world: World) -> None:
    """Its age grows between two scrapes, and a transaction that is tried again does not hide it."""
    world.lag.ends_at(0, 20)
    world.read(10, age_s=5.0)
    assert world.figures() == (10, 5.0)
    assert world.figures(after_s=30.0) == (10, 35.0)
    world.read(10, age_s=35.0)
    assert world.figures(after_s=1.0) == (10, 36.0)
    world.commit(19, age_s=0.5)
    assert world.figures() == (0, 0.0)


def test_a_partition_that_is_read_to_its_end_has_no_lag_while_the_broker_answers(world: World) -> None:
    for _ in range(100):
        world.lag.ends_at(0, 20)
        world.lag.drained(0, 20, world.clock.now)
        assert world.figures(after_s=1.0) == (0, 0.0)


def test_a_broker_that_does_not_answer_lets_it_grow(world: World) -> None:
    """Whether new events are there is not known: the lag is the age of the last answer."""
    world.lag.drained(0, 20, NOW)
    assert world.figures(after_s=2.0) == (0, 0.0)
    assert world.figures(after_s=2.0) == (0, 4.0)
    assert world.figures(after_s=60.0) == (0, 64.0)
    world.lag.drained(0, 20, world.clock.now)
    assert world.figures() == (0, 0.0)


def test_what_is_not_fetched_is_behind_since_the_last_that_is_committed(world: World) -> None:
    """A paused worker fetches nothing, but knows how long the log grows."""
    world.lag.drained(0, 20, NOW)
    world.lag.ends_at(0, 25)
    assert world.figures(after_s=1.0) == (5, 1.0)
    world.lag.ends_at(0, 20)  # as the last fetch says
    assert world.figures(after_s=10.0) == (5, 11.0)


def test_a_replay_shows_the_age_of_what_is_committed(world: World) -> None:
    """Also between two batches, when nothing is held."""
    world.lag.ends_at(0, 1000)
    world.read(0, age_s=86_400)
    world.commit(499, age_s=80_000)
    assert world.figures() == (500, 80_000)


def test_a_clock_ahead_hides_nothing(world: World) -> None:
    """A record from the future, of a producer whose clock is wrong, is no proof of anything."""
    world.lag.ends_at(0, 1000)
    world.read(0, age_s=-3600)
    world.commit(0, age_s=-3600)
    assert world.figures(after_s=10.0) == (999, 10.0)


def test_the_drivers_end_does_not_outrun_what_is_held(world: World) -> None:
    """Statistics may come after the records that they did not see yet."""
    world.read(10, age_s=1.0)
    world.lag.drained(0, 11, world.clock.now)
    assert world.figures(after_s=5.0)[1] == 6.0


def test_only_partitions_that_are_ours_are_shown(world: World) -> None:
    """What comes late of others is nobody's."""
    world.lag.went([0])
    world.read(5, age_s=1.0)
    world.commit(5, age_s=1.0)
    world.lag.ends_at(0, 9)
    world.lag.drained(0, 9, NOW)
    assert all(not family.samples for family in world.lag.collect())
    world.lag.came([0])
    world.lag.clear()
    assert all(not family.samples for family in world.lag.collect())


def test_latencies_count_every_event_from_its_receipt() -> None:
    """Those that ingest did not write have none."""
    clock = Clock()
    latencies = Latencies(clock)
    latencies.committed(
        [record(0, NOW, NOW - 0.2), record(1, NOW, NOW - 0.2), record(2, NOW, NOW - 7200), record(3, NOW)]
    )
    (family,) = latencies.collect()
    found = {(sample.name, sample.labels.get("le")): sample.value for sample in family.samples}
    name = "daymark_event_commit_seconds"
    assert found[f"{name}_bucket", "0.1"] == 0
    assert found[f"{name}_bucket", "0.25"] == 2
    assert found[f"{name}_bucket", "3600.0"] == 2
    assert found[f"{name}_bucket", "+Inf"] == found[f"{name}_count", None] == 3
    assert found[f"{name}_sum", None] == pytest.approx(7200.4)
