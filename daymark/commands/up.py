"""`daymark up`: runs everything on this machine (contract, section 8). Wires, shows and stops the components.

Invariant: whatever ends it, short of SIGKILL, ends all parts too, clients before servers; data stays.
"""

import importlib.util
import json
import os
import signal
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple

import click

from daymark import greeting, running, settings
from daymark.kafka_options import OPTION_PREFIX
from daymark.local import home, ports
from daymark.local.addresses import Ports, usual
from daymark.local.children import Child
from daymark.local.faults import LocalFault
from daymark.local.kafka import Kafka
from daymark.local.preparation import prepare
from daymark.local.program import Plan, Program, last_line
from daymark.local.screen import Screen
from daymark.local.supervision import Supervision, start
from daymark.local.valkey import Valkey
from daymark.running import Described, Running
from daymark.setting_types import Address

_DAYMARK: Final = (sys.executable, "-m", "daymark")
_ENDINGS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_TOPICS_S: Final = 60.0
_SESSION_MS: Final = "10000"  # after a crash the next worker waits so long for the last one's partitions
_DRAIN_S: Final = "0"  # no proxy stands in front
_LOOK_EVERY_S: Final = 0.2


class Options(NamedTuple):
    """What was asked for."""

    folder: Path
    workers: int
    as_line: bool
    cache: Path


@click.command(short_help="Run everything on this machine: Kafka, Valkey, ingest, workers.")
@click.option(
    "--data",
    type=click.Path(file_okay=False, path_type=Path),
    default=running.FOLDER,
    envvar=running.DATA,
    show_default=True,
    show_envvar=True,
    help="Folder for keys, data and logs; kept between runs.",
)
@click.option(
    "--workers", type=click.IntRange(1, 64), default=1, show_default=True, help="Number of processes, one worker each."
)
@click.option("--json", "as_line", is_flag=True, help="Print one line of JSON once ready, and nothing else.")
@click.option(
    "--cache",
    type=click.Path(file_okay=False, path_type=Path),
    default="~/.cache",
    envvar="XDG_CACHE_HOME",
    hidden=True,
)
def command(data: Path, workers: int, cache: Path, *, as_line: bool) -> None:
    """Run everything on this machine: Kafka, Valkey, ingest, workers.

    Needs neither Docker nor an installation: Apache Kafka is downloaded on the first run. The ports are those of
    DAYMARK_HTTP and DAYMARK_ADMIN, by default 8080 and 8081 on 127.0.0.1, then 8082 and up for the workers, 9092 for
    Kafka, 6379 for Valkey; if one is in use, that of the last run, else any. Ctrl-C stops everything; data is kept.

    Other settings apply to its parts: DAYMARK_BACKFILL_LANE=on lets the workers read segment.backfill beside live
    events, and `daymark backfill` sends there.
    """
    for signum in _ENDINGS:
        signal.signal(signum, signal.default_int_handler)  # as Ctrl-C, from the first moment
    found = settings.load(os.environ)
    screen = Screen(quiet=as_line)
    try:
        with home.held(data.absolute(), os.environ):
            _run(Options(data.absolute(), workers, as_line, cache), found, screen)
    except KeyboardInterrupt:
        pass
    finally:
        screen.end()


def _run(options: Options, found: settings.Settings, screen: Screen) -> None:
    folder = options.folder
    (folder / "logs").mkdir(exist_ok=True)
    screen.now("Preparing Kafka …")
    kit, chosen = prepare(options.cache), Ports(folder)
    kafka = Kafka(kit, folder / "kafka", preferred_port=chosen.choose("kafka"), logs=folder / "logs")
    valkey = Valkey(folder / "valkey", preferred_port=chosen.choose("valkey"), log=folder / "logs" / "valkey.log")
    http, admin = _free(chosen, "http", found.http, screen), _free(chosen, "admin", found.admin, screen)
    workers = [chosen.choose(f"worker-{number}") for number in range(1, options.workers + 1)]
    page = _free(chosen, "timeline", found.timeline_http, screen) if _has_pages() else None
    programs: list[Program] = []
    try:
        screen.now("Starting Kafka and Valkey …")
        start([kafka, valkey])
        environ = _environment(folder, kafka, valkey)
        key = home.key(folder)
        _make_topics(folder, environ)
        programs += [_ingest(options, environ, http, admin), *_workers(options, environ, workers)]
        programs += _timeline(
            options, environ, page, (Address(admin.reachable_host, admin.port), *map(_local, workers))
        )
        screen.now("Starting ingest and workers …")
        start(programs)
        chosen.remember()
        at = Running(http.url, admin.url, kafka.bootstrap, valkey.url, *key)
        urls = tuple(Address(ports.LOOPBACK, port).url for port in workers)
        up = Described(folder, os.getpid(), at, urls, page and page.url, found.backfill_lane)
        running.describe(up, os.environ)
        screen.show(json.dumps(at._asdict()) if options.as_line else greeting.text(up, datetime.now(UTC)))
        screen.now(f"Running: Kafka, Valkey, ingest, {_counted(options.workers)}. Ctrl-C stops them.")
        _keep(
            Supervision([kafka, valkey, *programs], screen.say, time.monotonic),
            programs[1 : 1 + options.workers],
            folder,
            screen,
        )
    finally:
        for signum in _ENDINGS:
            signal.signal(signum, signal.SIG_IGN)  # what follows takes its time, but not for ever
        with suppress(OSError):  # the terminal may be gone
            screen.now("Stopping …")
        _stop(programs, kafka, valkey)


def _keep(supervision: Supervision, workers: Sequence[Program], folder: Path, screen: Screen) -> None:
    """Keep all parts running; the workers only while no other command of ours wants them to stand still."""
    is_held = False
    while True:
        was_held, is_held = is_held, running.are_workers_held(folder)
        if is_held and not was_held:
            screen.say("Another command has stopped the workers; they restart when it is done.")
            for worker in workers:
                supervision.hold(worker)
                worker.ask_to_stop()
            for worker in workers:
                worker.stop()
        elif was_held and not is_held:
            for worker in workers:
                supervision.release(worker)
        supervision.look()
        time.sleep(_LOOK_EVERY_S)


def _stop(programs: Sequence[Program], kafka: Kafka, valkey: Valkey) -> None:
    """Stop in order: ingest, the workers side by side, Kafka, Valkey."""
    for program in programs[:1]:
        program.stop()
    for program in programs:
        program.ask_to_stop()
    for program in programs:
        program.stop()
    kafka.stop()
    valkey.stop()


def _ingest(options: Options, environ: Mapping[str, str], http: Address, admin: Address) -> Program:
    listen = {"DAYMARK_HTTP": str(http), "DAYMARK_ADMIN": str(admin)}
    return _program(
        options, Plan("ingest", (*_DAYMARK, "ingest"), {**environ, **listen}, (admin.reachable_host, admin.port))
    )


def _workers(options: Options, environ: Mapping[str, str], admins: Sequence[int]) -> Iterator[Program]:
    for number, port in enumerate(admins, start=1):
        own = {"DAYMARK_SLOT": f"up-{number}", "DAYMARK_ADMIN": f"{ports.LOOPBACK}:{port}"}
        yield _program(
            options, Plan(f"worker-{number}", (*_DAYMARK, "process"), {**environ, **own}, (ports.LOOPBACK, port))
        )


def _timeline(
    options: Options, environ: Mapping[str, str], at: Address | None, parts: Sequence[Address]
) -> Iterator[Program]:
    if at:
        own = {"DAYMARK_TIMELINE_HTTP": str(at), "DAYMARK_TIMELINE": f"sqlite:///{options.folder / 'timeline.db'}"}
        command = (*_DAYMARK, "timeline", *map(str, parts))
        yield _program(options, Plan("timeline", command, {**environ, **own}, (at.reachable_host, at.port)))


def _local(port: int) -> Address:
    return Address(ports.LOOPBACK, port)


def _has_pages() -> bool:
    """Whether the extra `timeline` is installed."""
    return all(importlib.util.find_spec(name) for name in ("jinja2", "sqlalchemy", "starlette", "uvicorn"))


def _program(options: Options, plan: Plan) -> Program:
    return Program(plan, options.folder / plan.name, options.folder / "logs" / f"{plan.name}.log")


def _make_topics(folder: Path, environ: Mapping[str, str]) -> None:
    log = folder / "logs" / "topics.log"
    (folder / "topics").mkdir(exist_ok=True)
    if Child.start((*_DAYMARK, "topics"), folder / "topics" / "pid", log, environ).wait(_TOPICS_S) != 0:
        raise LocalFault(f"the topics could not be created: {last_line(log)} (see {log})")


def _environment(folder: Path, kafka: Kafka, valkey: Valkey) -> dict[str, str]:
    """Return the environment of our programs: the settings that we own, and otherwise our own environment."""
    ours = {
        "DAYMARK_KAFKA": kafka.bootstrap,
        "DAYMARK_REDIS": valkey.url,
        "DAYMARK_WORKSPACES": str(home.workspaces_file(folder)),
        "DAYMARK_CLAIM_KEY_FILE": str(home.claim_key_file(folder)),
    }
    owned = {name.removesuffix("_FILE") for name in ours}
    inherited = {
        name: text
        for name, text in os.environ.items()
        if name.removesuffix("_FILE") not in owned and not name.startswith(OPTION_PREFIX)
    }
    return {"DAYMARK_SESSION_TIMEOUT_MS": _SESSION_MS, "DAYMARK_DRAIN_S": _DRAIN_S} | inherited | ours


def _free(chosen: Ports, name: str, wanted: Address | None, screen: Screen) -> Address:
    """Return where a part listens: as wanted, but at a port that is free; port 0 is any."""
    host, first = wanted or Address(ports.LOOPBACK, usual(name) or 0)
    port = chosen.choose(name, first)
    if first not in {0, port}:
        screen.say(f"Port {first} is taken; {port} is used instead.")
    return Address(host, port)


def _counted(workers: int) -> str:
    return "1 worker" if workers == 1 else f"{workers} workers"
