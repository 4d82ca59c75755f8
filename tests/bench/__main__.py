"""`make bench`: measure every part of Daymark beside what a user would pick instead.

Each run counts only when what it committed is right. Figures, and a plot of them, are left in the folder `--output`;
`--publish` puts them where docs/performance.md shows them (then `make docs`). DAYMARK_TEST_KAFKA and
DAYMARK_TEST_REDIS give parts to run on; without them a Kafka and a Valkey are started on this machine.
"""

import argparse
import json
import signal
import sys
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import FrameType

from confluent_kafka import KafkaException
from redis import RedisError
from rich.console import Console

from daymark.local.faults import LocalFault
from tests.bench import ground, mixed, plot, report, targets
from tests.bench.contenders import Wrong
from tests.bench.figures import Row, drawn, sheets, shown
from tests.bench.options import MIXED, PARTS, Options

_FAULTS = (AssertionError, ImportError, Wrong, LocalFault, KafkaException, RedisError, OSError, ValueError)
_SHOWN = Console(stderr=True)
_WIDTH = 120  # characters of a table that goes into a file


def main() -> None:
    """Measure what is asked for; exit 1 when a part could not be measured or was not right."""
    arguments = _arguments()
    signal.signal(signal.SIGTERM, _stop)
    try:
        sys.exit(_measure(arguments))
    except KeyboardInterrupt:
        _note("stopped: what was started has been ended")
        sys.exit(130)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="make bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--part", action="append", choices=PARTS, help="one part, or several; default: all of them")
    parser.add_argument("--events", type=int, default=150_000, help="of a run of the processor (%(default)s)")
    parser.add_argument("--runs", type=int, default=3, help="of each contender, in turn (%(default)s)")
    parser.add_argument("--seconds", type=float, default=10.0, help="of a steady rate (%(default)s)")
    parser.add_argument("--deep", action="store_true", help="on to 10,000,000 contacts, and 5,000,000 events a run")
    parser.add_argument("--seed", type=int, default=mixed.SEED, help="of the mixed load (%(default)s)")
    parser.add_argument("--base", metavar="REF", help="measure this state of Daymark, too, in the same runs")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON instead of tables")
    parser.add_argument("--output", type=Path, default=report.ROOT / ".bench", help="folder for JSON and plot")
    parser.add_argument("--publish", action="store_true", help="leave them where docs/performance.md shows them")
    arguments = parser.parse_args()
    if arguments.events < 1000 or arguments.runs < 1 or arguments.seconds <= 0:
        parser.error("at least 1,000 events, one run and a moment")
    try:
        ground.says()
    except ValueError as fault:
        parser.error(str(fault))
    return arguments


def _measure(arguments: argparse.Namespace) -> int:
    file = report.PUBLISHED if arguments.publish else arguments.output / "latest.json"
    console = Console(width=None if sys.stdout.isatty() else _WIDTH)
    found, failed = report.read(file), False
    with _SHOWN.status("") as status:
        sizes = (arguments.events, arguments.runs, arguments.seconds, arguments.deep)
        options = Options(*sizes, arguments.seed, arguments.base, _teller(status.update), _note)
        _note(mixed.words(options.mix(1)))
        for part in arguments.part or PARTS:
            began, machine = time.monotonic(), report.machine(ground.says())
            if part in MIXED:
                machine["load_mix"] = mixed.words(options.mix(1))
            try:
                rows = _rows(part, options)
            except _FAULTS as fault:
                failed = True
                _note(f"{part} was not measured: {_words(fault)}")
                continue
            report.add(found, part, machine, rows)
            report.write(file, found, plot.drawn(found))
            if not arguments.json:
                for sheet in sheets(part, rows):
                    console.print(shown(sheet))
                console.print(report.machine_line(machine), highlight=False, soft_wrap=True)
            _note(f"{part} took {time.monotonic() - began:.0f} s")
    if not arguments.json and (made := targets.table(report.all_rows(found))):
        console.print(drawn("Targets", *made))
    if arguments.json:
        sys.stdout.write(json.dumps(found, indent=1) + "\n")
    _note(f"figures and plot: {file}, {file.with_suffix('.svg')}")
    return int(failed)


def _rows(part: str, options: Options) -> list[Row]:
    return list(import_module(f"tests.bench.{part}").run(options))


def _teller(update: Callable[[str], None]) -> Callable[[str], None]:
    """Show what is being done: on a terminal in its bottom line, elsewhere line by line."""
    return update if _SHOWN.is_terminal else _note


def _note(text: str) -> None:
    _SHOWN.print(text, highlight=False, markup=False, soft_wrap=True)


def _words(fault: BaseException) -> str:
    return str(fault) or type(fault).__name__


def _stop(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()
