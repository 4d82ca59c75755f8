"""`make scale`: 1 -> 12 -> 3 workers under load, and how long each partition stands still meanwhile; then the audit.

Workers run with the settings of the chart (deploy/helm/daymark): a slot each, its session time-out, SIGTERM when they
are taken away. They are forked from one Python, since twelve interpreters that start on one machine would measure that.
"""

import argparse
import secrets
import shutil
import statistics
import sys
import tempfile
import time
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from itertools import islice, pairwise
from pathlib import Path
from typing import Final, NamedTuple

from rich.console import Console
from rich.table import Table

from schemas.topics import PARTITIONS, Topics
from tests.faults import ground, judge, load
from tests.faults.fleet import Fleet, Member
from tests.faults.forkserver import ForkServer
from tests.faults.ground import Ground
from tests.faults.recovery import Watch
from tests.flows import Road
from tests.made import make

STEPS: Final = (1, PARTITIONS, 3)
LIMIT_S: Final = 3.0
# As the chart sets them: dynamic where KEDA scales, static elsewhere.
MODES: Final = {
    "dynamic": {"DAYMARK_MEMBERSHIP": "dynamic", "DAYMARK_SESSION_TIMEOUT_MS": "10000"},
    "static": {"DAYMARK_MEMBERSHIP": "static", "DAYMARK_SESSION_TIMEOUT_MS": "30000"},
    "consumer": {"DAYMARK_GROUP_PROTOCOL": "consumer"},
}
_WITHIN_S, _LOOK_S, _SESSION_S = 120.0, 0.02, 10.0
_WARM_S: Final = 20.0  # until the brokers' code is compiled


class Step(NamedTuple):
    """What became of one step.

    Attributes:
        before: workers.
        after: workers.
        stood_s: for each partition the longest time without a commit, from the step to its end.
    """

    before: int
    after: int
    stood_s: list[float]

    @property
    def p99_s(self) -> float:
        """Of the partitions, the 99th percentile."""
        return statistics.quantiles(self.stood_s, n=100, method="inclusive")[98]


class Outcome(NamedTuple):
    """The steps, and what the audit found wrong, in words."""

    steps: list[Step]
    troubles: list[str]


def stood(advances: Sequence[Sequence[float]], since: float, until: float) -> Iterator[float]:
    """Yield, for each partition, the longest time between two of its commits that overlaps a span of time.

    Args:
        advances: for each partition when its committed offset was seen to have advanced, in that order.
        since: the span's begin, in the same seconds.
        until: its end; a partition that has not moved by then has stood still at least until then.
    """
    for times in advances:
        first, last = max(0, bisect_left(times, since) - 1), bisect_left(times, until)
        marks = [*([*islice(times, first, last)] or [since]), until]
        yield max(after - before for before, after in pairwise(marks))


def scale(
    where: Ground, forkserver: ForkServer, folder: Path, *, environ: dict[str, str], rate: float, seconds: float
) -> Outcome:
    """Scale under load and judge.

    Args:
        where: Kafka and the store.
        forkserver: starts the workers.
        folder: for their logs.
        environ: settings of every worker, beside its slot.
        rate: events a second, all through.
        seconds: how long each step is watched.
    """
    topics = Topics(f"scale-{secrets.token_hex(3)}.")
    road = Road(where.kafka, where.redis, topics, secrets.token_bytes(16))
    make(where.kafka, topics.all(), PARTITIONS)
    own = {name: text for name, text in road.environment.items() if name.startswith("DAYMARK_")}
    del own["DAYMARK_MEMBERSHIP"], own["DAYMARK_SESSION_TIMEOUT_MS"]
    workers = Fleet(
        [
            Member(name, forkserver.fork_worker, {**own, **environ, "DAYMARK_SLOT": topics.prefix + name}, folder)
            for name in (f"worker-{number}" for number in range(max(STEPS)))
        ]
    )
    events = round(rate * (_WARM_S + 2 * _WITHIN_S + len(STEPS) * seconds))
    watch = Watch(where.kafka, topics, road.group, PARTITIONS)
    stream = load.Stream(where.kafka, topics.events, rate, load.plan(1, events, invalid=0.02))
    steps, troubles = [], []
    try:
        _size(workers, STEPS[0])
        _wait(lambda: watch.moves and stream.sent - watch.committed < rate, workers, "one worker keeps up")
        _pass(_WARM_S, workers)
        for before, after in pairwise(STEPS):
            began = time.monotonic()
            _size(workers, after)
            _pass(seconds, workers)
            steps.append(Step(before, after, list(stood(watch.advances, began, time.monotonic()))))
        stream.end()
        _wait(lambda: stream.done and not watch.lags(), workers, "everything is committed")
    except AssertionError as error:
        troubles.append(f"{error}; records to commit, by partition: {watch.lags()}")
    finally:
        stream.end()
        watch.end()
        workers.end()
    finding = judge.judge(where.kafka, topics)[1]
    if not finding.is_clean():
        troubles.append(str(finding))
    ground.remove_topics(where, topics)
    return Outcome(steps, troubles)


def _size(workers: Fleet, count: int) -> None:
    """Want so many, as a StatefulSet: the last ones go first, all at once."""
    for number, member in enumerate(workers.members):
        if number < count:
            member.wanted = True
        else:
            member.ask_to_end()
    workers.look()


def _pass(seconds: float, workers: Fleet) -> None:
    until = time.monotonic() + seconds
    _wait(lambda: time.monotonic() >= until, workers, "time passes")


def _wait(condition: Callable[[], bool], workers: Fleet, what: str) -> None:
    deadline = time.monotonic() + _WITHIN_S
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not within {_WITHIN_S:.0f} s"
        workers.look()
        time.sleep(_LOOK_S)


def main() -> None:
    """Measure what is asked for; exit 1 when a partition stood still for too long, or anything was lost or doubled."""
    parser = argparse.ArgumentParser(prog="make scale", description=__doc__)
    parser.add_argument("--mode", choices=MODES, default="dynamic", help="membership (%(default)s)")
    parser.add_argument("--rate", type=float, default=2000.0, help="events a second (%(default)s)")
    parser.add_argument("--seconds", type=float, default=45.0, help="of each step (%(default)s)")
    parser.add_argument("--kafka", help="bootstrap servers of a Kafka to run on, with --redis")
    parser.add_argument("--redis", help="URL of its store")
    arguments = parser.parse_args()
    if bool(arguments.kafka) != bool(arguments.redis):
        parser.error("give both of --kafka and --redis, or none")
    folder = Path(tempfile.mkdtemp(prefix="daymark-scale-"))
    parts = (
        ground.given(arguments.kafka, arguments.redis)
        if arguments.kafka
        else ground.on_this_machine(folder / "parts", _SESSION_S, straight=True)
    )
    with parts as where, ForkServer.running() as forkserver:
        environ, rate, seconds = MODES[arguments.mode], arguments.rate, arguments.seconds
        outcome = scale(where, forkserver, folder, environ=environ, rate=rate, seconds=seconds)
    title = f"{arguments.mode} membership, {arguments.rate:,.0f} events/s, {PARTITIONS} partitions, stand-still in s"
    table = Table("workers", "median", "p99", "longest", title=title)
    for step in outcome.steps:
        median, longest = statistics.median(step.stood_s), max(step.stood_s)
        table.add_row(f"{step.before} -> {step.after}", f"{median:.2f}", f"{step.p99_s:.2f}", f"{longest:.2f}")
    console = Console()
    console.print(table)
    late = [step for step in outcome.steps if step.p99_s > LIMIT_S]
    for trouble in outcome.troubles:
        console.print(trouble)
    if outcome.troubles or late:
        console.print(f"over {LIMIT_S:g} s, or not all done: logs in {folder}")
        sys.exit(1)
    shutil.rmtree(folder)
    console.print("nothing lost, nothing doubled")


if __name__ == "__main__":
    main()
