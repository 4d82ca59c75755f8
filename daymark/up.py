"""`daymark up`: everything on this machine (contract, section 8). Wires the parts, shows them, stops them in order.

Invariant: whatever ends it, short of SIGKILL, ends all parts too, clients before servers; data stays.
"""

import json
import os
import shlex
import shutil
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple

import click

from daymark import home, settings
from daymark.home import Running
from daymark.local import ports
from daymark.local.children import Child
from daymark.local.faults import LocalFault
from daymark.local.kafka import Kafka
from daymark.local.preparation import prepare
from daymark.local.program import Plan, Program, last_line
from daymark.local.supervision import Supervision, start
from daymark.local.valkey import Valkey
from daymark.screen import Screen
from daymark.values import Address

_ADMIN: Final = Address(ports.LOOPBACK, 8081)
_DAYMARK: Final = (sys.executable, "-m", "daymark")
_ENDINGS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_TOPICS_S: Final = 60.0
_SESSION_MS: Final = "10000"  # after a crash the next worker waits so long for the last one's partitions
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
    default=".daymark",
    show_default=True,
    help="Folder of keys, data and logs; kept between runs.",
)
@click.option("--workers", type=click.IntRange(1, 64), default=1, show_default=True, help="Processes, each one worker.")
@click.option("--json", "as_line", is_flag=True, help="Once ready, one line of JSON; then quiet.")
@click.option(
    "--cache",
    type=click.Path(file_okay=False, path_type=Path),
    default="~/.cache",
    envvar="XDG_CACHE_HOME",
    hidden=True,
)
def command(data: Path, workers: int, cache: Path, *, as_line: bool) -> None:
    """Run everything on this machine: Kafka, Valkey, ingest, workers.

    Nothing needs to be installed, nor Docker: Apache Kafka is fetched on the first run. DAYMARK_HTTP and DAYMARK_ADMIN
    are taken if they are free (default 127.0.0.1, ports 8080 and 8081). Ctrl-C stops everything; data stays.
    """
    for signum in _ENDINGS:
        signal.signal(signum, signal.default_int_handler)  # as Ctrl-C, from the first moment
    found = settings.from_environment()
    screen = Screen(quiet=as_line)
    try:
        with home.held(data.absolute()):
            _run(Options(data.absolute(), workers, as_line, cache), found, screen)
    except KeyboardInterrupt:
        pass
    finally:
        screen.end()


def _run(options: Options, found: settings.Settings, screen: Screen) -> None:
    folder = options.folder
    (folder / "logs").mkdir(exist_ok=True)
    screen.now("Preparing Kafka …")
    kafka = Kafka(prepare(options.cache), folder / "kafka", logs=folder / "logs")
    valkey = Valkey(folder / "valkey", log=folder / "logs" / "valkey.log")
    http, admin = _free(found.http, screen), _free(found.admin or _ADMIN, screen)
    programs: list[Program] = []
    try:
        screen.now("Starting Kafka and Valkey …")
        start([kafka, valkey])
        environ = _environment(folder, kafka, valkey)
        key = home.key(folder)
        _make_topics(folder, environ)
        programs += _programs(options, environ, http, admin)
        screen.now("Starting ingest and workers …")
        start(programs)
        running = Running(_url(http), _url(admin), kafka.bootstrap, valkey.url, *key)
        home.tell(folder, running)
        screen.show(json.dumps(running._asdict()) if options.as_line else _greeting(running, folder))
        screen.now(f"Running: Kafka, Valkey, ingest, {_counted(options.workers)}. Ctrl-C stops them.")
        _keep(Supervision([kafka, valkey, *programs], screen.say, time.monotonic))
    finally:
        for signum in _ENDINGS:
            signal.signal(signum, signal.SIG_IGN)  # what follows takes its time, but not for ever
        with suppress(OSError):  # the terminal may be gone
            screen.now("Stopping …")
        _stop(programs, kafka, valkey)


def _keep(supervision: Supervision) -> None:
    while True:
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


def _programs(options: Options, environ: Mapping[str, str], http: Address, admin: Address) -> list[Program]:
    """Return ingest, then the workers."""
    listen = {"DAYMARK_HTTP": _text(http), "DAYMARK_ADMIN": _text(admin)}
    plans = [Plan("ingest", (*_DAYMARK, "ingest"), {**environ, **listen}, admin.port)]
    for number in range(1, options.workers + 1):
        port = ports.choose()
        worker = {"DAYMARK_SLOT": f"up-{number}", "DAYMARK_ADMIN": f"{ports.LOOPBACK}:{port}"}
        plans.append(Plan(f"worker-{number}", (*_DAYMARK, "process"), {**environ, **worker}, port))
    logs = options.folder / "logs"
    return [Program(plan, options.folder / plan.name, logs / f"{plan.name}.log") for plan in plans]


def _make_topics(folder: Path, environ: Mapping[str, str]) -> None:
    log = folder / "logs" / "topics.log"
    (folder / "topics").mkdir(exist_ok=True)
    if Child.start((*_DAYMARK, "topics"), folder / "topics" / "pid", log, environ).wait(_TOPICS_S) != 0:
        raise LocalFault(f"the topics could not be made: {last_line(log)} (see {log})")


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
        if name.removesuffix("_FILE") not in owned and not name.startswith(settings.OPTION_PREFIX)
    }
    return {"DAYMARK_SESSION_TIMEOUT_MS": _SESSION_MS} | inherited | ours


def _free(wanted: Address, screen: Screen) -> Address:
    port = ports.choose(wanted.port or None)
    if wanted.port not in {0, port}:
        screen.say(f"Port {wanted.port} is taken; {port} is used instead.")
    return Address(wanted.host, port)


def _greeting(running: Running, folder: Path) -> str:
    now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    event = {
        "type": "identify",
        "timestamp": now,
        "traits": {"email": "peter@example.com"},
        "page": {"url": "https://example.com"},
    }
    curl = f"curl {running.http}/v1/identify -u {running.key}: -d '{json.dumps(event)}'"
    tail = _tail(running, folder)
    return f"""
Daymark is ready at {running.http}
API key of the workspace {running.workspace}: {running.key}

Send an event, and see the interaction it makes:

  {tail}

  {curl}
"""


def _tail(running: Running, folder: Path) -> str:
    """Return the command line that shows interactions, as it works in this folder."""
    beside = Path(sys.executable).with_name("daymark")
    found = shutil.which("daymark")
    program = "daymark" if found and Path(found) == beside else _short(beside)
    if not beside.exists():
        program = f"{_short(Path(sys.executable))} -m daymark"
    is_found = (Path.cwd() / settings.RUNNING).parent == folder
    return f"{program} tail" if is_found else f"DAYMARK_KAFKA={running.kafka} {program} tail"


def _short(path: Path) -> str:
    return shlex.quote(str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path))


def _url(address: Address) -> str:
    host = ports.LOOPBACK if address.host in {"0.0.0.0", "::", ""} else address.host  # noqa: S104
    return f"http://{host}:{address.port}"


def _text(address: Address) -> str:
    return f"{address.host}:{address.port}"


def _counted(workers: int) -> str:
    return "1 worker" if workers == 1 else f"{workers} workers"
