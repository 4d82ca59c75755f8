"""`make faults` and `make soak`: seeded faults under load, then the audit."""

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

from rich.console import Console

from tests.faults import capacity, clock, disk, ground, upgrade
from tests.faults.breaks import BREAKS
from tests.faults.flow import lacks
from tests.faults.forkserver import ForkServer
from tests.faults.ground import Ground
from tests.faults.processes import MODES, Options
from tests.faults.run import Run
from tests.faults.schedule import Kind
from tests.faults.tally import Tally

# How often workers are hurt. A classic group settles only when nobody dies for a while; a static member comes back to
# what it had.
_EVERY_S = {"classic": 3.0, "static": 0.7, "consumer": 1.5}
# A classic group without static members settles only when no dead member is left in it: after the session time-out.
_STORM_EVERY_S = {"classic": 15.0, "static": 1.0, "consumer": 1.0}
_RATE = 1500.0
# In turn, so that each has some seconds to live; those who join anew need some of them to be given anything.
_STORM_WORKERS = {"classic": 6, "static": 6, "consumer": 8}

_KINDS = {kind.name.lower().replace("_", "-"): kind for kind in Kind}
_NAMES = ", ".join(_KINDS)

_SHOWN = Console(stderr=True)


def main() -> None:
    """Make the runs that are asked for; exit 1 when one of them found anything."""
    arguments = _arguments()
    folder = Path(arguments.keep or tempfile.mkdtemp(prefix="daymark-faults-"))
    folder.mkdir(parents=True, exist_ok=True)
    total = Tally()
    clocks = clock.build(folder) if arguments.clocks else None
    with _ground(arguments, folder) as where, ForkServer.running(clocks) as forkserver:
        _say(f"runs on {where.says}; logs in {folder}")
        for each in _runs(arguments):
            wanted = each._replace(clocks=clocks)
            options = wanted if arguments.rate else _at_half_load(wanted, where, forkserver, folder)
            own = Path(tempfile.mkdtemp(prefix=f"seed-{options.seed}-", dir=folder))
            _say(
                f"seed {options.seed}, {options.mode} membership, {options.seconds:.0f} s, {options.rate:,.0f} events/s"
            )
            tally = Run(options, where, forkserver, own, _say).make()
            total.add(tally)
            found, kills = tally.found, tally.kills
            doubled = "emitted again under their id, since the store came back empty" if options.empties else "doubled"
            _say(
                f"seed {options.seed}: {kills} kills, {found['events']:,} events, "
                f"{found['lost']} lost, {found['doubled']:,} {doubled}"
            )
            (folder / "tally.json").write_text(json.dumps(total.values(), indent=1))
            if not tally.troubles and not arguments.keep:
                shutil.rmtree(own)
    _show(total, "no contact-day has two ids" if arguments.empty else "nothing doubled", as_json=arguments.json)
    if not total.troubles and not arguments.keep:
        shutil.rmtree(folder)
    sys.exit(bool(total.troubles))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=180, help="of one run's faults")
    parser.add_argument("--runs", type=int, default=1, help="how many, each with the next seed")
    parser.add_argument("--steady", action="store_true", help="spare one worker and one ingest, and watch their memory")
    parser.add_argument(
        "--rate",
        type=float,
        help="events a second.  [default: 1500; of a storm, half of what the workers are seen to do]",
    )
    parser.add_argument("--mode", choices=MODES, help="membership of the workers; by default it changes with the seed")
    parser.add_argument("--session", type=float, default=6, help="seconds until a silent worker is taken for dead")
    parser.add_argument(
        "--every", type=float, help="seconds between two faults of workers, in the mean; of a storm, 1, or 15"
    )
    parser.add_argument("--away", type=float, default=20, help="most seconds that all of Kafka is away")
    parser.add_argument("--workers", type=int, help="how many  [default: 4; of a storm, 6, by the new protocol 8]")
    parser.add_argument("--kafka", help="bootstrap servers of a Kafka to run on; it is not hurt")
    parser.add_argument("--redis", help="URL of the store to run on; it is not hurt")
    parser.add_argument("--containers", action="store_true", help="run Kafka and the store in containers")
    parser.add_argument("--storm", action="store_true", help="only kill workers in turn, one a second, and judge")
    parser.add_argument("--empty", action="store_true", help="let the store come back empty, and judge by ids alone")
    parser.add_argument("--flows", action="store_true", help="have the kernel drop single flows, too; as root")
    parser.add_argument(
        "--clocks", action="store_true", help="set clocks of workers and ingest, too; needs a C compiler"
    )
    parser.add_argument("--disks", action="store_true", help="fill small disks of Kafka's nodes, too; as root")
    parser.add_argument("--upgrade-from", metavar="VERSION", default="", help="begin with a Kafka of it, and upgrade")
    parser.add_argument(
        "--break", dest="broken", choices=sorted(BREAKS), default="", help="break the protocol on purpose"
    )
    parser.add_argument(
        "--only", nargs="+", choices=sorted(_KINDS), default=[], metavar="KIND", help=f"only these, in turn: {_NAMES}"
    )
    parser.add_argument("--keep", metavar="FOLDER", help="where logs and tallies are kept")
    parser.add_argument("--json", action="store_true", help="the tally as JSON on stdout")
    arguments = parser.parse_args()
    if bool(arguments.kafka) != bool(arguments.redis):
        parser.error("give both of --kafka and --redis, or none")
    if arguments.kafka and arguments.containers:
        parser.error("either --containers or --kafka and --redis")
    if arguments.flows and (lacking := lacks()):
        parser.error(f"--flows: {lacking}")
    arguments.clocks |= "clock" in arguments.only
    if arguments.clocks and (lacking := clock.lacks()):
        parser.error(f"--clocks: {lacking}")
    arguments.disks |= "disk" in arguments.only
    if arguments.disks and (lacking := disk.lacks()):
        parser.error(f"--disks: {lacking}")
    if arguments.upgrade_from and (lacking := upgrade.lacks()):
        parser.error(f"--upgrade-from: {lacking}")
    if (arguments.disks or arguments.upgrade_from) and (arguments.kafka or arguments.containers):
        parser.error("--disks and --upgrade-from are of a Kafka on this machine that is the run's own")
    if not arguments.storm:
        arguments.rate = arguments.rate or _RATE
    return arguments


def _ground(arguments: argparse.Namespace, folder: Path) -> AbstractContextManager[Ground]:
    if arguments.kafka:
        return ground.given(arguments.kafka, arguments.redis)
    if arguments.containers:
        return ground.in_containers(arguments.session, straight=arguments.storm)
    return ground.on_this_machine(
        Path(tempfile.mkdtemp(prefix="parts-", dir=folder)),
        arguments.session,
        straight=arguments.storm,
        small=arguments.disks,
        earlier=arguments.upgrade_from,
    )


def _runs(arguments: argparse.Namespace) -> Iterator[Options]:
    for number in range(arguments.runs):
        seed = arguments.seed + number
        mode = arguments.mode or MODES[seed % len(MODES)]
        yield Options(
            seed,
            arguments.seconds,
            arguments.rate or 0.0,
            mode,
            session_s=arguments.session,
            workers=arguments.workers or (_STORM_WORKERS[mode] if arguments.storm else 4),
            ingests=0 if arguments.storm else 2,
            away_s=arguments.away,
            worker_every_s=arguments.every or (_STORM_EVERY_S if arguments.storm else _EVERY_S)[mode],
            storm=arguments.storm,
            empties=arguments.empty,
            broken=arguments.broken,
            flows=arguments.flows,
            upgrade_every_s=arguments.seconds / 5 if arguments.upgrade_from else 0.0,
            only=tuple(_KINDS[name] for name in arguments.only),
            steady=arguments.steady,
        )


def _at_half_load(options: Options, where: Ground, forkserver: ForkServer, folder: Path) -> Options:
    """Return options with half of the rate that the fleet is seen to take."""
    own = Path(tempfile.mkdtemp(prefix="capacity-", dir=folder))
    found = capacity.measure(options, where, forkserver, own)
    _say(f"{options.workers} workers that are not hurt take {found:,.0f} events/s: half of that is the load")
    return options._replace(rate=round(found / 2))


def _show(total: Tally, clean: str, *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(json.dumps(total.values()) + "\n")
    else:
        for table in total.tables():
            Console().print(table)
    for trouble in total.troubles:
        _say(trouble)
    _say(f"nothing lost, {clean}" if not total.troubles else f"{len(total.troubles)} troubles")


def _say(text: str) -> None:
    _SHOWN.print(text, highlight=False, soft_wrap=True)


if __name__ == "__main__":
    main()
