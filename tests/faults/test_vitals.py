"""What a soak sees: a leak, and no leak in what only varies."""

import os
import random
from pathlib import Path

import pytest

from tests.faults import vitals
from tests.faults.vitals import MB, Point, Trend, Vitals, trend


def _hour(per_hour: float, *, warm_mb: float = 40.0) -> list[Point]:
    """Samples of an hour: memory that rises until it is warm, varies with the load, and grows."""
    chance = random.Random(1)
    return [
        Point(at, 80 + min(at / 600, 1) * warm_mb + chance.uniform(-4, 4) + per_hour * at / 3600)
        for at in range(0, 3600, 10)
    ]


@pytest.mark.parametrize("per_hour", [0.0, -30.0, 6.0])
def test_memory_that_varies_is_flat(per_hour: float) -> None:
    """What a process takes until it is warm does not count, nor does a single peak."""
    points = _hour(per_hour)
    points[200] = points[200]._replace(value=500)
    assert vitals.leaks({"worker": trend(points)}) == []


def test_a_leak_is_found() -> None:
    found = trend(_hour(30.0))
    assert found is not None
    assert found.per_hour == pytest.approx(30, abs=4)
    assert found.growth == pytest.approx(20, abs=3)
    assert vitals.leaks({"worker": found}) == [
        f"the memory of worker grows by {found.per_hour:.1f} MB an hour, by {found.growth:.1f} MB in what was watched"
    ]


@pytest.mark.parametrize("count", [0, 1, 3])
def test_too_few_samples_tell_nothing(count: int) -> None:
    found = trend(_hour(0)[:count])
    assert found is None
    assert vitals.leaks({"worker": found}) == ["worker did not live long enough to judge its memory"]


def test_processes_and_folders_are_measured(tmp_path: Path, redis_url: str) -> None:
    """This process's own memory, whoever of that name lives longest, and what a folder takes on disk."""
    (tmp_path / "log").write_bytes(bytes(3 * MB))
    pids = iter([None, os.getpid(), os.getpid(), os.getpid(), os.getpid(), 1])
    watched = Vitals({"me": lambda: next(pids)}, {"logs": tmp_path}, redis_url, 10)
    for at in (0, 10, 15, 20, 30, 40, 50):
        watched.look(at)
    assert watched.lives("me") == 2
    found = watched.trends()["me"]
    assert isinstance(found, Trend)
    assert found.median > 10
    shown, troubles = vitals.judge(watched, claims=10**9, clocks=0)
    assert shown["MB of logs"] == "3.0"
    assert "open files of me" in shown
    assert troubles == []
    assert "keys beyond" in vitals.judge(watched, claims=-1_000_000, clocks=0)[1][0]
