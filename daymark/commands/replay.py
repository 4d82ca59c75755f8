"""`daymark replay`: resets the group's offsets, so that its workers process events again (contract, section 8)."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, Final

import click
import msgspec
from confluent_kafka import Consumer, KafkaException

from daymark import bar, instant, settings
from daymark.auditing import reading
from daymark.clients import Opened, opened
from daymark.instant import Instant
from daymark.replaying import group as groups
from daymark.replaying.narrowing import Share, share
from daymark.replaying.plan import Plan, Unsafe, lines, moved_to
from daymark.replaying.start import Place, Since, Start, StartType
from daymark.replaying.survey import survey
from daymark.running import workers_held
from daymark.settings import Settings

_START: Final = {False: "Start its workers now.", True: "Its workers are being started."}
_LOOK_S: Final = 1.0
_STILL_S: Final = 15.0  # without a step forward it is asked whether workers run


@click.command()
@click.option(
    "--from",
    "starts",
    type=StartType(),
    multiple=True,
    required=True,
    help="earliest, an instant (2026-11-24T12:00Z, -2h), or PARTITION:OFFSET; the latter repeatable.",
)
@click.option("--to", "until_ms", type=Instant(), help="Wait for, and audit, only events written before this instant.")
@click.option("--workspace", help="Begin at this workspace's first event in each partition; leave out those without.")
@click.option("--group", help="Consumer group.  [default: DAYMARK_GROUP]")
@click.option("--execute", is_flag=True, help="Reset the offsets. Without it, only show the plan.")
@click.option("--wait", is_flag=True, help="Wait until all workers of the group have left, rather than refuse.")
@click.option("--rate", type=click.FloatRange(0, min_open=True), help="Events per second, to estimate the duration.")
@click.option("--no-audit", is_flag=True, help="Do not audit the replayed range.")
@click.option("--json", "as_line", is_flag=True, help="A line of JSON: the plan; then the audit's.")
def command(starts: tuple[Start, ...], **options: Any) -> None:
    """Replay events by resetting the consumer group's offsets.

    Without --execute it only shows the plan, also while workers run. With it, the group must have no members. The
    workers of a `daymark up` on this machine are stopped and started by the command; stop others first (static members
    leave when their session times out, DAYMARK_SESSION_TIMEOUT_MS after they stopped), or let it wait with --wait, and
    start them when it says so. It follows the replay to its end, and audits that range. Ctrl-C ends the progress
    display, not the replay. Running it again resets the offsets again, with the same result.

    A replay only moves offsets back: it never skips events. Workers process every event from there to the end of the
    log, of every workspace: --to says what is waited for and audited, and --workspace moves the beginning to where that
    workspace's events begin, so that less is read again. Results that are emitted again have the same bytes under the
    same keys.
    """
    if len(starts) > 1 and not all(isinstance(start, Place) for start in starts):
        raise click.UsageError("several --from must all be PARTITION:OFFSET.")
    if len({start.partition for start in starts if isinstance(start, Place)}) < len(starts) > 1:
        raise click.UsageError("two --from name the same partition.")
    _check_end(starts, options["until_ms"])
    found = settings.from_environment()
    group = options["group"] or found.group
    with opened(found, group, [found.topics.events]) as there:
        try:
            planned = _survey(there, found, starts, options["until_ms"])
            share = None
            if options["workspace"] and planned.again:
                share = _share(there, found, planned, options["workspace"])
                starts = share.starts()
                planned = _survey(there, found, starts, options["until_ms"])
            _show(planned, share, group, found, options)
            if not options["execute"] or not planned.again:
                _conclude(planned, execute=options["execute"])
                return
            with _held(found, group) as is_held:
                wanted = partial(_survey, there, found, starts, options["until_ms"])
                planned = _set_back(there, found.topics.events, group, wanted, waits=options["wait"] or is_held)
            click.echo(f"{group} is rewound by {planned.again:,} events. {_START[is_held]}", err=True)
        except Unsafe as error:
            raise click.UsageError(f"{error}.") from None
        _watch(there.clients.committed, found.topics.events, planned, group)
    if not options["no_audit"]:
        sys.exit(_audit(planned, group, options["until_ms"], as_line=options["as_line"]))


def _check_end(starts: Sequence[Start], until_ms: int | None) -> None:
    if until_ms is None:
        return
    if any(isinstance(start, Since) and start.instant_ms >= until_ms for start in starts):
        raise click.UsageError("--from must be before --to.")


def _survey(there: Opened, found: Settings, starts: Sequence[Start], until_ms: int | None) -> Plan:
    topic = found.topics.events
    planned = survey(there.clients, topic, there.partitions[topic], starts, found.claim_days, until_ms=until_ms)
    if all(part.stands is None for part in planned.parts):
        raise click.ClickException("the group has committed no offsets: its workers start at the earliest event anyway")
    return planned


def _share(there: Opened, found: Settings, planned: Plan, name: str) -> Share:
    with bar.shown() as shown:
        return share(there.clients.committed, found.topics.events, planned, name, shown)


def _show(planned: Plan, of: Share | None, group: str, found: Settings, options: Mapping[str, Any]) -> None:
    if options["as_line"]:
        counts = {"again": planned.again, "awaited": planned.awaited, "expired": planned.expired}
        whose = {} if of is None else {"workspace": of.name, "own": of.own}
        click.echo(json.dumps({"group": group, **counts, **whose, "parts": msgspec.to_builtins(planned.parts)}))
        return
    for line in lines(planned, group, found.claim_days, options["rate"]):
        click.echo(line)
    if of is not None:
        click.echo(f"{of.own:,} of them are of {of.name}. Others between and behind them are processed again, too.")


def _conclude(planned: Plan, *, execute: bool) -> None:
    if not planned.again:
        click.echo("There is nothing to replay.", err=True)
    elif not execute:
        click.echo("No offsets were reset; --execute resets them.", err=True)


@contextmanager
def _held(found: Settings, group: str) -> Iterator[bool]:
    """Stop the workers of a running `daymark up` on this Kafka, if there is one; tell whether they stand still."""
    ups = [up for up in settings.running_ups() if up.at.kafka == found.kafka and group == found.group]
    if not ups:
        yield False
        return
    click.echo(f"Stopping the workers of `daymark up` in {ups[0].folder}.", err=True)
    with workers_held(ups[0]):
        yield True


def _set_back(there: Opened, topic: str, group: str, wanted: Callable[[], Plan], *, waits: bool) -> Plan:
    """Move the group once it has no members, and return what was done: workers may have come further meanwhile."""
    admin = there.clients.admin
    while True:
        if waits:
            groups.wait_until_empty(
                admin, group, lambda members: click.echo(f"Waiting for {_named(members)}.", err=True)
            )
        elif present := groups.members(admin, group):
            raise click.ClickException(f"{group} is in use: stop {_named(present)}, or add --wait")
        planned = wanted()
        try:
            groups.set_back(there.clients.committed, topic, moved_to(planned.parts))
        except groups.InUse:
            if not waits:
                raise click.ClickException(
                    f"{group} is in use: a worker has joined meanwhile; no offsets were reset"
                ) from None
            continue
        return planned


def _named(members: Sequence[groups.Member]) -> str:
    names = ", ".join(f"{member.name} at {member.host}" for member in members)
    static = " (static: it leaves when its session times out)" if any(member.is_static for member in members) else ""
    return f"{len(members)} {'member' if len(members) == 1 else 'members'}: {names}{static}"


def _watch(consumer: Consumer, topic: str, planned: Plan, group: str) -> None:
    """Return when the group is back at its previous offsets, or has come to --to."""
    moved = planned.moved
    behind, moved_at, told = planned.awaited, time.monotonic(), False
    with bar.shown() as shown:
        shown.expect(planned.awaited)
        while behind:
            time.sleep(_LOOK_S)
            try:
                stands = reading.committed(consumer, topic, moved)
            except KafkaException:  # a broker on its way: it is asked again
                continue
            left = sum(part.left(stands[number]) for number, part in moved.items())
            if left < behind:
                moved_at, told = time.monotonic(), False
            elif time.monotonic() - moved_at > _STILL_S and not told:
                click.echo(f"No progress: are workers of {group} running?", err=True)
                told = True
            shown.advance("Replaying", behind - left)
            behind = left


def _audit(planned: Plan, group: str, until_ms: int | None, *, as_line: bool) -> int:
    """Audit what was read again, and return the exit status."""
    since = [] if planned.oldest_ms is None else ["--since", instant.shown(planned.oldest_ms)]
    until = [] if until_ms is None else ["--until", instant.shown(until_ms)]
    wanted = [sys.executable, "-m", "daymark", "audit", "--group", group, *since, *until, *["--json"] * as_line]
    click.echo("The replay is complete; auditing it.", err=True)
    return subprocess.run(wanted, check=False).returncode  # noqa: S603  our own command
