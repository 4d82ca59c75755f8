"""What dies is said and started again, sooner or later."""

import re
from pathlib import Path

import pytest

from daymark.local.faults import LocalFault
from daymark.local.supervision import Supervision, start


class FakePart:
    """Lives and dies on request."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.dead = False
        self.starts = 0
        self.ending, self.log = "exit status 1", Path("part.log")
        self.fault = ""

    def launch(self) -> None:
        self.starts += 1
        self.dead = bool(self.fault)

    def wait_ready(self) -> None:
        if self.fault:
            raise LocalFault(self.fault)


class World:
    """Parts under supervision, with a clock that the test turns."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.said: list[str] = []
        self.parts = [FakePart("kafka"), FakePart("ingest")]
        start(self.parts)
        self.supervision = Supervision(self.parts, self.said.append, lambda: self.now)

    def look_for(self, seconds: float) -> None:
        for _ in range(int(seconds * 4)):
            self.supervision.look()
            self.now += 0.25


@pytest.fixture
def world() -> World:
    return World()


def test_the_living_are_left_alone(world: World) -> None:
    """Nothing is said and nothing started while all run."""
    world.look_for(100)
    assert world.said == []
    assert [part.starts for part in world.parts] == [1, 1]


def test_a_dead_part_is_said_and_started_again(world: World) -> None:
    """A death is followed by a start of that part alone."""
    world.parts[1].dead = True
    world.look_for(1)
    assert world.said == [
        "ingest has ended (exit status 1); restarting it in 0.5 s. Its log: part.log",
        "ingest is running again",
    ]
    assert [part.starts for part in world.parts] == [1, 2]


def test_one_that_dies_young_waits_longer(world: World) -> None:
    """Pauses double up to half a minute, so a broken part takes no machine time."""
    world.parts[1].dead, world.parts[1].fault = True, "no port"
    world.look_for(200)
    pauses = [float(found[1]) for sentence in world.said if (found := re.search(r"restarting it in (\S+) s", sentence))]
    assert pauses[:8] == [0.5, 1, 2, 4, 8, 16, 30, 30]
    assert "no port" in world.said


def test_one_that_ran_long_is_started_soon(world: World) -> None:
    """Deaths that are far apart are not held against a part."""
    for _ in range(3):
        world.parts[0].dead = True
        world.look_for(100)
    assert world.said.count("kafka has ended (exit status 1); restarting it in 0.5 s. Its log: part.log") == 3


def test_a_part_in_trouble_does_not_keep_another_down(world: World) -> None:
    """While one cannot start, the other is started again."""
    world.parts[0].dead, world.parts[0].fault = True, "disk full"
    world.look_for(10)
    world.parts[1].dead = True
    world.look_for(1)
    assert world.parts[1].starts == 2
    assert not world.parts[1].dead


def test_a_part_that_is_held_is_left_alone_until_it_is_released(world: World) -> None:
    """Stopped on purpose it is neither reported nor started; then it runs again, and is kept running."""
    part = world.parts[1]
    world.supervision.hold(part)
    part.dead = True
    world.look_for(100)
    assert (world.said, part.starts) == ([], 1)
    world.supervision.release(part)
    world.look_for(1)
    assert (world.said, part.starts) == (["ingest is running again"], 2)
    part.dead = True
    world.look_for(1)
    assert part.starts == 3
