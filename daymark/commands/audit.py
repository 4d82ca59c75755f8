"""`daymark audit`: compares the output topics with what the raw events require (contract, sections 4 to 7).

Reads options, wires, shows. The expected results follow from segment.events alone, up to the group's offsets.
"""

import json
import signal
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import click
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from daymark import bar, logs, registry, settings, statuses
from daymark.auditing import reading, watch
from daymark.auditing.checkpoint import Checkpoints
from daymark.auditing.findings import Tally
from daymark.auditing.following import Follower
from daymark.auditing.ledger import Ledger, Reading
from daymark.auditing.raws import Raws
from daymark.auditing.report import Run, as_json, as_tables
from daymark.auditing.scope import Clients, NothingCommitted, Period, Scope, scope, still_there
from daymark.auditing.scratch import scratch
from daymark.auditing.truth import Truth
from daymark.clients import opened
from daymark.instant import Instant
from daymark.kafka import command_config
from daymark.output import standard_output
from daymark.setting_types import Address
from daymark.workspaces_file import WorkspacesFile
from schemas import zones
from schemas.workspace import Workspaces

_GROUPS_S, _MOST_GROUPS = 10.0, 10
_ADMIN = Address("127.0.0.1", 8083)
_REPORT_EVERY = 10_000  # keys judged between two looks at the progress


@click.command()
@click.option("--group", help="Consumer group to audit.  [default: DAYMARK_GROUP]")
@click.option("--since", type=Instant(), help="Only records from this time on; UTC unless it has an offset.")
@click.option("--until", type=Instant(), help="Only records before this time.")
@click.option("--emitted-since", type=Instant(), help="Only results from this time on: those of a fresh replay.")
@click.option("--max-lag", type=click.IntRange(0), help="Fail if more events are uncommitted.  [default: no limit]")
@click.option("--no-replays", is_flag=True, help="Nothing was replayed: count records emitted again as duplicates.")
@click.option(
    "--examples", type=click.IntRange(0, 10_000), default=5, show_default=True, help="Examples to show per finding."
)
@click.option(
    "--temporary",
    type=click.Path(exists=True, file_okay=False, writable=True, path_type=Path),
    help="Folder for temporary files, about 100 bytes per event.  [default: the system's]",
)
@click.option("--follow", "follows", is_flag=True, help="Keep up with the group, and serve findings as metrics.")
@click.option("--every", type=click.FloatRange(1), default=10.0, help="Seconds between two cycles of --follow.")
@click.option("--json", "as_line", is_flag=True, help="One line of JSON.")
def command(**options: Any) -> None:
    """Compare committed results with what the raw events require.

    Reads segment.events up to the group's committed offsets, works out every interaction, rejection and property that
    must result from it, and compares these with the output topics, read committed. The exit status is 0 when there is
    no difference, 3 when anything differs or the lag is over --max-lag, 1 when nothing could be compared. No offsets
    are moved; it may run alongside the workers.

    With --follow it first reads what was emitted within the claims' lifetime, then judges, every few seconds, what the
    group has committed since; findings are logged, and are metrics at DAYMARK_ADMIN (127.0.0.1:8083). It remembers
    contact-days on disk, about 80 bytes each. A record emitted again without a reset of the group is a finding of its
    own. Properties are not judged. It runs until SIGTERM; started again, also after a kill, it goes on where it was.

    \b
    How to interpret findings:
    - A repeated record of the same event is not an error: an offset reset causes that. If there was none,
      --no-replays makes it one.
    - Days, descriptions and formats follow the current workspaces file and tz database. What was emitted before
      either changed differs: start with --since after the change.
    - With --since, earlier events are not read: whether one of them should have won a day is unknown. It still finds
      days that a later event won, and days that no event won, among the events that it reads.
    - Events older than the retention of the output topics are not judged: their results may have been deleted.
    - After Redis lost keys, or they expired (DAYMARK_CLAIM_DAYS), a later event of a day is emitted under the same id:
      doubled, or, when compaction has left one, wrong_winner. Likewise an older change of a property is stale.
    - If segment.events was deleted and recreated, results of the old topic do not match the new one.
    """  # noqa: D301  click's mark
    found = settings.from_environment()
    if None not in (options["since"], options["until"]) and options["since"] >= options["until"]:
        raise click.UsageError("--since must be before --until.")
    (_follow if options["follows"] else _once)(found, options)


def _once(found: settings.Settings, options: Mapping[str, Any]) -> None:
    started = time.monotonic()
    tally, group = Tally(options["examples"]), options["group"] or found.group
    with opened(found, group) as there:
        try:
            period = Period(options["since"], options["until"], options["emitted_since"])
            planned = scope(there.clients, found.topics, there.partitions, period)
            with scratch(options["temporary"]) as folder:
                raws = Raws(found.topics, there.partitions)
                ledger = Ledger(folder, planned.reach, _reading(found), tally)
                read = _audit(there.clients, raws, found, planned, ledger, replays=not options["no_replays"])
        except OSError as error:
            raise click.ClickException(f"the temporary folder: {error.strerror or error}; see --temporary") from None
        except NothingCommitted:
            raise click.ClickException(_nothing_committed(there.clients.admin, group, found.topics.events)) from None
    run = Run(group, read, time.monotonic() - started, zones.version())
    _show(run, planned, tally, as_line=options["as_line"])
    _judge(tally, planned.reach.lag, group, options["max_lag"])


def _follow(found: settings.Settings, options: Mapping[str, Any]) -> None:
    wrong = [name for name in ("since", "until", "emitted_since", "max_lag", "no_replays", "as_line") if options[name]]
    if wrong:
        raise click.UsageError("--follow goes with --group, --every and --temporary alone.")
    logs.configure(found.log_format, found.log_level)
    stopping, group = threading.Event(), options["group"] or found.group
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    figures, address = watch.Figures(), found.admin or _ADMIN
    try:
        where = figures.serve(*address)
    except OSError as error:
        raise click.ClickException(f"cannot listen on {address.host}:{address.port}: {error.strerror}") from None
    with (
        opened(found, group) as there,
        scratch(options["temporary"]) as folder,
    ):
        topics = found.topics
        outputs = {name: there.partitions[name] for name in (topics.interactions, topics.rejected)}
        follower = Follower(
            there.clients,
            topics,
            there.partitions,
            _reading(found),
            folder,
            claim_days=found.claim_days,
            checkpoints=Checkpoints(command_config(found), group, Raws(topics, there.partitions), outputs),
        )
        try:
            with bar.shown() as shown:
                follower.prime(shown)
            watch.log.info("audit.started", group=group, metrics=where)
            watch.follow(follower, figures, options["every"], stopping)
        except NothingCommitted:
            raise click.ClickException(_nothing_committed(there.clients.admin, group, found.topics.events)) from None
        finally:
            follower.close()


def _reading(found: settings.Settings) -> Reading:
    workspaces = WorkspacesFile(found.workspaces).current() if found.workspaces else Workspaces()
    return Reading(Truth(workspaces), registry.lookup(found.schema_registry) if found.schema_registry else None)


def _judge(tally: Tally, lag: int, group: str, max_lag: int | None) -> None:
    wrong = [] if tally.is_sound else ["committed results differ from what the events require; see above"]
    if max_lag is not None and lag > max_lag:
        wrong.append(f"{group} has a lag of {lag:,} events, more than --max-lag {max_lag:,}")
    if wrong:
        raise statuses.SomethingWrong("; ".join(wrong))


def _nothing_committed(admin: AdminClient, group: str, topic: str) -> str:
    """Return what to say of a group that has committed nothing: with the groups that there are, if we may know."""
    with suppress(KafkaException):
        names = sorted(each.group_id for each in admin.list_consumer_groups(request_timeout=_GROUPS_S).result().valid)
        others = f" Groups of this cluster: {', '.join(names[:_MOST_GROUPS])}." if names else ""
        return f"group {group} has committed no offsets of {topic}; is it the right one (--group)?{others}"
    return f"group {group} has committed no offsets of {topic}; is it the right one (--group, DAYMARK_GROUP)?"


def _audit(
    clients: Clients, raws: Raws, found: settings.Settings, planned: Scope, ledger: Ledger, *, replays: bool
) -> dict[str, int]:
    """Read everything and judge it; return how many records of each topic there were."""
    topics = found.topics
    events = {n: (part.first, part.next) for n, part in planned.reach.stretches.items()}
    roads = (
        (topics.interactions, planned.outputs[topics.interactions], ledger.interaction),
        (topics.rejected, planned.outputs[topics.rejected], ledger.rejection),
        (topics.traits, planned.outputs[topics.traits], ledger.trait),
    )
    read = {}
    with bar.shown() as shown:
        shown.expect(planned.records)
        for topic, bounds, take in roads:
            read[topic] = 0
            for batch in reading.records(clients.committed, topic, bounds):
                for message in planned.counting(topic, batch):
                    take(message)
                read[topic] += len(batch)
                shown.advance(f"Reading {topic}", len(batch))
        pending = raws.pending(clients.committed, planned.committed, raws.bounds(clients.uncommitted))
        for some in pending:
            for message in some.messages:
                ledger.pending(message, some.base)
        read[topics.events] = 0
        for some in raws.records(clients.committed, events):
            for message in some.messages:
                ledger.event(message, some.base)
            read[some.topic] = read.get(some.topic, 0) + len(some.messages)
            shown.advance(f"Reading {some.topic}", len(some.messages))
        reach = still_there(clients, raws, planned.reach)
        for number, _ in enumerate(ledger.judge(reach, replays=replays)):
            if number % _REPORT_EVERY == 0:
                shown.advance(f"Judging, {number:,} so far", 0)
    return read


def _show(run: Run, planned: Scope, tally: Tally, *, as_line: bool) -> None:
    if as_line:
        click.echo(json.dumps(as_json(run, planned.reach, tally)))
    else:
        standard_output().print(as_tables(run, planned.reach, tally), highlight=False)
