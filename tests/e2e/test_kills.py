"""What `make kills` does to containers, with an engine that only notes what it is told."""

import json
import os
import stat
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tests.e2e import kills
from tests.e2e.compose import Compose

HEALTHY = {"Running": True, "ExitCode": 0, "Pid": 1, "Health": {"Status": "healthy"}}
ENDED = {"Running": False, "ExitCode": 0, "Pid": 0}
ENGINE = """#!/bin/sh
echo "$*" >> "{said}"
case "$*" in
    *" ps "*) echo "a b c" ;;
    inspect*) cat "{state}" ;;
esac
"""


class Engine:
    """A `docker` that has three containers, all in one state."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._said, self._state = folder / "said", folder / "state"
        self._said.touch()
        self.is_in(HEALTHY)
        program = folder / "docker"
        program.write_text(ENGINE.format(said=self._said, state=self._state))
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")

    def is_in(self, state: Mapping[str, object]) -> None:
        self._state.write_text(json.dumps([{"State": state}]))

    def told(self, compose: Compose) -> list[str]:
        """Return what it was told but for questions, without the project's name and file."""
        own = f"compose -p {compose.name} -f docker-compose.yml "
        lines = [line.removeprefix(own) for line in self._said.read_text().splitlines()]
        return [line for line in lines if not line.startswith(("ps ", "inspect "))]


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Engine:
    monkeypatch.setattr(kills, "_NOTICE_S", 0)
    return Engine(tmp_path, monkeypatch)


def act(compose: Compose, words: str) -> Callable[[], object]:
    (found,) = kills._chosen(kills.acts(compose), words)
    return found.do


def test_acts_tell_the_engine_what_their_words_say(engine: Engine) -> None:
    compose = Compose()
    for words in ("1 worker to 3", "restarted", "3 workers to 1", "stopped", "removed"):
        act(compose, words)()
    assert engine.told(compose) == [
        "up --detach --no-build --no-recreate --scale processor=3",
        *(f"restart --time 40 {container}" for container in "abc"),
        "up --detach --no-build --no-recreate --scale processor=1",
        "stop",
        "up --detach --no-build --wait",
        "down",
        "up --detach --no-build --wait",
    ]


def test_a_part_that_does_not_end_in_time_is_found(engine: Engine) -> None:
    engine.is_in(ENDED | {"ExitCode": 137})
    with pytest.raises(AssertionError, match="137"):
        act(Compose(), "stopped")()


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (HEALTHY, True),
        (ENDED, True),  # as `topics` does
        (ENDED | {"ExitCode": 1}, False),
        (HEALTHY | {"Health": {"Status": "starting"}}, False),
    ],
)
def test_what_healthy_means(engine: Engine, state: Mapping[str, object], expected: object) -> None:
    engine.is_in(state)
    assert Compose().is_healthy() is expected


def test_an_image_without_pages_starts_without_them() -> None:
    """The first one of the upgrade may be older than the service."""
    assert kills._lacking("HEAD") == ()
    assert kills._lacking("no-such-state") == ("--scale", "timeline=0")
