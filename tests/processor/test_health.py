"""A worker's health, from its state: alive is not ready, and neither asks Kafka or Redis."""

import time
from dataclasses import fields
from functools import partial

import pytest

from processor import health

NOW_S = 1_800_000_000.0


@pytest.fixture(autouse=True)
def _fresh() -> None:
    blank = health.State()
    for field in fields(blank):
        setattr(health.STATE, field.name, getattr(blank, field.name))


def test_alive_while_the_loop_goes_round() -> None:
    """Two minutes without a round are a hang; paused, or without Kafka, a worker is alive."""
    health.STATE.is_paused = True
    health.STATE.looped_at = NOW_S - 60
    assert health.alive(NOW_S) == (True, "")
    health.STATE.looped_at = NOW_S - 1000
    assert health.alive(NOW_S) == (False, "worker loop stalled for 1000 s")


def test_a_clock_that_is_set_back_hides_no_hang(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor does one that is set forward make a hang of a loop that goes round."""
    assert not health.alive(time.monotonic()).good
    for wall_s in (2e9, 1e9):
        monkeypatch.setattr(time, "time", partial(float, wall_s))
        health.STATE.looped()
        assert health.STATE.last_loop_s == wall_s
        assert health.alive(time.monotonic()).good
    assert not health.alive(time.monotonic() + 1000).good


def test_ready_with_a_place_in_the_group_and_a_store_that_answers() -> None:
    """Each obstacle is said; a member without partitions is ready, since it is there to take over."""
    assert health.ready() == (False, "the claims store does not answer")
    health.STATE.store_answers = True
    assert health.ready() == (False, "Kafka has not answered yet")
    health.STATE.has_met_kafka = True
    assert health.ready() == (False, "no partitions are assigned, and the group is still rebalancing")
    health.STATE.is_settled = True
    assert health.ready() == (True, "")
    health.STATE.is_settled = False
    health.STATE.partitions = 3
    assert health.ready() == (True, "")
    health.STATE.is_paused = True
    assert health.ready() == (False, "Redis is unavailable: partitions are paused")
    health.STATE.is_paused = False
    assert health.ready()[0]
