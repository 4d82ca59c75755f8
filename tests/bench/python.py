"""PART=python: what an event costs a worker and ingest, by interpreter.

Those are measured that are found on the path and in pyenv, from 3.11 on, and those that PYTHONS names, separated by
spaces; one that has a JIT compiler is measured with it, too. Each gets what the image installs, in the user's cache
folder, and all run this state of Daymark, in turn.
"""

import json
import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from tests.bench import environment, ground, interpreter, report
from tests.bench.contenders import Run, take, worker
from tests.bench.figures import Row
from tests.bench.ingest import ACCEPTED, BATCH, INGEST, TAKEN, Rig, batches, singles
from tests.bench.ingest import Run as Answered
from tests.bench.ingest_client import Load
from tests.bench.load import send
from tests.bench.mixed import calls
from tests.bench.options import Options

PART = "python"
PARTITIONS = 12
_OLDEST = (3, 11)
_MINORS = range(11, 20)
_DISTINCT = 20_000
_SECONDS = 3.0  # of a run of ingest, at most
_ASK_S = 30.0

Commands = Mapping[str, tuple[str, ...]]


def run(options: Options) -> list[Row]:
    """Measure, run by run in turn."""
    pythons = dict(_daymarks(options))
    if not pythons:
        raise ValueError("there is no Python that can be measured; PYTHONS names some")
    return [*_workers(options, pythons), *_receivers(options, pythons)]


def _workers(options: Options, pythons: Commands) -> Iterator[Row]:
    runs: dict[tuple[str, str], list[Run]] = {}
    contenders = [worker(1, command)._replace(name=name) for name, command in pythons.items()]
    mix = options.mix(options.events)
    cases = {"worker, mixed load": mix, "worker, mixed load, a property each": mix._replace(computed=True)}
    with ground.opened() as here:
        works = []
        for number, (case, load) in enumerate(cases.items()):
            options.say(f"{PART}: sending {load.events:,} events, {case}")
            works.append(send(case, here.road(f"y{number}", PARTITIONS), PARTITIONS, load))
        options.say(f"{PART}: warming up")
        take(here, works[0], contenders[0])
        for number in range(options.runs):
            for work in works:
                for contender in contenders:
                    options.say(f"{PART}: run {number + 1} of {options.runs}, {work.case}: {contender.name}")
                    runs.setdefault((work.case, contender.name), []).append(take(here, work, contender))
    for (case, name), taken in runs.items():
        yield Row(PART, name, "own CPU, warm half", "µs an event", tuple(one.half_cpu_us for one in taken), case)
        yield Row(PART, name, "rate, warm half", "events/s", tuple(one.half_events_per_s for one in taken), case)
        yield Row(PART, name, "memory", "MB", tuple(one.peak_mb for one in taken), case)


def _receivers(options: Options, pythons: Commands) -> Iterator[Row]:
    runs: dict[tuple[str, str], list[Answered]] = {}
    bodies = [event.body for event in calls(options.mix(_DISTINCT)._replace(broken=0))]
    seconds = min(_SECONDS, options.seconds)
    cases = {
        "ingest, one event, 256 connections": (Load(singles(bodies), *ACCEPTED, 256, seconds), 1),
        f"ingest, batches of {BATCH}, an event": (Load(batches(bodies), *TAKEN, 32, seconds), BATCH),
    }
    with ground.opened() as here, ExitStack() as stack:
        rig = Rig(stack, here, None, pythons)
        for number in range(options.runs + 1):  # the first only warms up
            for case, (load, records) in cases.items():
                for name in pythons:
                    options.say(f"{PART}: run {number} of {options.runs}, {case}: {name}")
                    one = rig.run(INGEST + name, load, records)
                    if number:
                        runs.setdefault((case, name), []).append(one)
    for (case, name), taken in runs.items():
        yield Row(PART, name, "own CPU", "µs", tuple(one.cpu_us for one in taken), case)
        yield Row(PART, name, "rate", "a second", tuple(one.per_second for one in taken), case)
        yield Row(PART, name, "memory", "MB", tuple(one.rss_mb for one in taken), case)


def _daymarks(options: Options) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield the command of Daymark by each interpreter, named by it."""
    known: set[str] = set()
    for path in _paths():
        name = _name(path)
        if name is None or name in known:
            continue
        known.add(name)
        if (python := environment.image(path, options)) is None:
            continue
        for settings in ((), ("PYTHON_JIT=1",)):
            shown = _name(python, *settings)
            if shown is not None and (not settings or shown != name):
                yield f"Python {shown}", ("env", "-C", str(report.ROOT), *settings, python, "-m", "daymark")


def _paths() -> Sequence[str]:
    """Return what may be an interpreter: given ones first, then those on the path, then pyenv's."""
    folders = [Path(folder) for folder in os.environ.get("PATH", "").split(os.pathsep) if folder]
    names = ["python3", *(f"python3.{minor}" for minor in _MINORS)]
    pyenv = Path(os.environ.get("PYENV_ROOT") or "~/.pyenv").expanduser() / "versions"
    found = [folder / name for folder in folders for name in names]
    found += sorted(pyenv.glob("*/bin/python3"))
    return [*os.environ.get("PYTHONS", "").split(), *(str(path) for path in found if path.is_file())]


def _name(path: str, *settings: str) -> str | None:
    """Return what an interpreter says of itself; None: it is none, or too old."""
    try:
        said = subprocess.check_output(
            ["env", *settings, path, interpreter.__file__], stderr=subprocess.DEVNULL, text=True, timeout=_ASK_S
        )
        told = json.loads(said)
    except (OSError, subprocess.SubprocessError, ValueError):
        return None
    is_one = told["implementation"] == "cpython" and tuple(told["version"]) >= _OLDEST
    return str(told["name"]) if is_one else None
