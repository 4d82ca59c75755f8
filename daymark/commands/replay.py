"""`daymark replay`: resets the group's offsets, so that its workers process events again (contract, section 8)."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, Final, NamedTuple

import click
import msgspec

from daymark import bar, instant, settings
from daymark.auditing.raws import Raws
from daymark.clients import Opened, opened
from daymark.instant import Instant
from daymark.local import home
from daymark.replaying import fresh
from daymark.replaying import group as groups
from daymark.replaying.measuring import measure
from daymark.replaying.narrowing import Share, share
from daymark.replaying.plan import Manner, Plan, Unsafe, lines, moved_to
from daymark.replaying.rate import Rate, given
from daymark.replaying.start import Place, Since, Start, StartType
from daymark.replaying.survey import survey
from daymark.replaying.watching import watch
from daymark.running import Described, workers_held
from daymark.settings import Settings
from processor.claims import Claims, Lifetimes
from schemas import lanes
from schemas.topics import Topics

_AGAIN: Final = (
    "An earlier run had rewound it. Once the workers have read everything: `daymark audit --emitted-since {}`."
)


@click.command()
@click.option(
    "--from",
    "starts",
    type=StartType(),
    multiple=True,
    required=True,
    help="earliest, an instant (2026-11-24T12:00Z, -2h), or [backfill/]PARTITION:OFFSET; the latter repeatable.",
)
@click.option("--to", "until_ms", type=Instant(), help="Wait for, and audit, only events written before this instant.")
@click.option("--workspace", help="Begin at this workspace's first event in each partition; leave out those without.")
@click.option(
    "--lane/--no-lane",
    default=None,
    help="Replay segment.backfill, too, or leave it out.  [default: as DAYMARK_BACKFILL_LANE]",
)
@click.option("--fresh", is_flag=True, help="Judge every event anew, under a new DAYMARK_CLAIM_KEY.")
@click.option("--group", help="Consumer group.  [default: DAYMARK_GROUP]")
@click.option("--execute", is_flag=True, help="Reset the offsets. Without it, only show the plan.")
@click.option("--wait", is_flag=True, help="Wait until all workers of the group have left, rather than refuse.")
@click.option("--rate", type=click.FloatRange(0, min_open=True), help="Events per second, rather than measure them.")
@click.option(
    "--metrics",
    multiple=True,
    metavar="HOST:PORT",
    help="Ask this worker for its rate: its DAYMARK_ADMIN; repeatable. dns+HOST:PORT: each address of a name.  "
    "[default: those of a running `daymark up`]",
)
@click.option("--no-audit", is_flag=True, help="Do not audit the replayed range.")
@click.option("--json", "as_line", is_flag=True, help="A line of JSON: the plan; then the audit's.")
def command(starts: tuple[Start, ...], **options: Any) -> None:
    """Replay events by resetting the consumer group's offsets.

    Without --execute it only shows the plan, also while workers run. With it, the group must have no members. The
    workers of a `daymark up` on this machine are stopped and started by the command; stop others first (static members
    leave when their session times out), or let it wait with --wait, and start them when it says so. It follows the
    replay to its end, and audits that range. Ctrl-C ends the progress display, not the replay. Running it again resets
    the offsets again, with the same result.

    A replay only moves offsets back. Workers process every event from there to the end of the log, of every workspace:
    --to says what is waited for and audited, and --workspace moves the beginning to where that workspace's events
    begin. Results that are emitted again have the same bytes under the same keys.

    With --fresh, after a change of rules (time zone, format), every event is judged anew, as if none had been claimed,
    under a DAYMARK_CLAIM_KEY that the store does not know yet; a `daymark up` gets a new one by itself. Of the results
    only those from then on count.
    """
    _check_starts(starts, options["until_ms"])
    found = settings.from_environment()
    group = options["group"] = options["group"] or found.group
    ups = [up for up in settings.running_ups() if up.at.kafka == found.kafka and group == found.group]
    if options["fresh"]:
        _check_fresh(found, starts, options, is_ours=bool(ups))
    with opened(found, group, () if options["fresh"] else [found.topics.events], with_lane=True) as there:
        raws, manner = _what(there, found, options)
        try:
            ask = partial(_survey, there, raws, found, options["until_ms"])
            planned, share = ask(starts), None
            if options["workspace"] and planned.again:
                share = _share(there, raws, planned, options["workspace"])
                planned = ask(starts := share.starts())
            _show(planned, share, found, options, manner, rate=_rate(there, raws, planned, options, ups))
            if not options["execute"] or not (planned.again or manner.is_fresh):
                _conclude(planned, execute=options["execute"])
                return
            how = _How(raws, found.topics, manner.is_fresh, waits=options["wait"] or bool(ups))
            planned, emitted_ms = _rewind(there, group, partial(ask, starts), how, ups)
        except Unsafe as error:
            raise click.UsageError(f"{error}.") from None
        if emitted_ms is not None and not planned.again:
            click.echo(_AGAIN.format(instant.shown(emitted_ms)), err=True)
            return
        watch(there.clients.committed, raws, planned, group)
    if not options["no_audit"]:
        sys.exit(_audit(group, _period(planned, options["until_ms"], emitted_ms), as_line=options["as_line"]))


def _check_starts(starts: Sequence[Start], until_ms: int | None) -> None:
    if len(starts) > 1 and not all(isinstance(start, Place) for start in starts):
        raise click.UsageError("several --from must all be PARTITION:OFFSET.")
    if len({start.partition for start in starts if isinstance(start, Place)}) < len(starts) > 1:
        raise click.UsageError("two --from name the same partition.")
    if until_ms is None:
        return
    if any(isinstance(start, Since) and start.instant_ms >= until_ms for start in starts):
        raise click.UsageError("--from must be before --to.")


def _check_fresh(found: Settings, starts: Sequence[Start], options: Mapping[str, Any], *, is_ours: bool) -> None:
    fresh.check_bounds(starts, [name for name in ("workspace", "until_ms") if options[name] is not None])
    if not is_ours:  # those of `daymark up` get their new key from this command
        lifetimes = Lifetimes(found.claim_days, found.clock_days)
        fresh.check_key(Claims(found.redis, found.claim_key, lifetimes, found.topics.prefix))


def _what(there: Opened, found: Settings, options: Mapping[str, Any]) -> tuple[Raws, Manner]:
    """Return the topics that are replayed, and how.

    Raises:
        UsageError: readers that begin anew would lose what is left out.
    """
    topics, has_lane = found.topics, found.backfill_lane if options["lane"] is None else options["lane"]
    everything = Raws(topics, there.partitions)
    if has_lane or not everything.has_backfill:
        return everything, Manner(options["fresh"])
    live = Raws(topics, {topics.events: there.partitions[topics.events]})
    bounds = everything.bounds(there.clients.uncommitted)
    is_left = any(lanes.is_backfill(number) and first < end for number, (first, end) in bounds.items())
    if options["fresh"] and is_left:
        raise click.UsageError(
            f"--fresh without {topics.backfill} would lose the days that its events won, for readers that begin anew. "
            "Set DAYMARK_BACKFILL_LANE=on for all workers and this command; or delete that topic."
        )
    return live, Manner(options["fresh"], leaves_lane=is_left)


def _survey(there: Opened, raws: Raws, found: Settings, until_ms: int | None, starts: Sequence[Start]) -> Plan:
    planned = survey(there.clients, raws, starts, found.claim_days, until_ms=until_ms)
    if all(part.stands is None for part in planned.parts):
        raise click.ClickException("the group has committed no offsets: its workers start at the earliest event anyway")
    return planned


def _share(there: Opened, raws: Raws, planned: Plan, name: str) -> Share:
    with bar.shown() as shown:
        return share(there.clients.committed, raws, planned, name, shown)


def _rate(
    there: Opened, raws: Raws, planned: Plan, options: Mapping[str, Any], ups: Sequence[Described]
) -> Rate | None:
    """Return how fast it would go; None where there is nothing to wait for."""
    if not planned.awaited:
        return None
    if options["rate"] is not None:
        return given(options["rate"])
    urls = options["metrics"] or [url for up in ups for url in up.workers]
    clients = there.clients
    return measure(clients.committed, raws, planned, urls, lambda: len(groups.members(clients.admin, options["group"])))


def _show(
    planned: Plan, of: Share | None, found: Settings, options: Mapping[str, Any], manner: Manner, *, rate: Rate | None
) -> None:
    group = options["group"]
    if options["as_line"]:
        counts = {"again": planned.again, "awaited": planned.awaited, "expired": planned.expired}
        speed = {} if rate is None else {"events_per_s": rate.events_per_s, "rate_source": rate.source}
        whose = {} if of is None else {"workspace": of.name, "own": of.own}
        click.echo(
            json.dumps({"group": group, **counts, **speed, **whose, "parts": msgspec.to_builtins(planned.parts)})
        )
        return
    for line in lines(planned, group, found.claim_days, rate, manner):
        click.echo(line)
    if of is not None:
        click.echo(f"{of.own:,} of them are of {of.name}. Others between and behind them are processed again, too.")


def _conclude(planned: Plan, *, execute: bool) -> None:
    if not planned.again:
        click.echo("There is nothing to replay.", err=True)
    elif not execute:
        click.echo("No offsets were reset; --execute resets them.", err=True)


@contextmanager
def _held(ups: Sequence[Described]) -> Iterator[None]:
    """Stop the workers of a running `daymark up`, if there is one, and start them again afterwards."""
    if not ups:
        yield
        return
    click.echo(f"Stopping the workers of `daymark up` in {ups[0].folder}.", err=True)
    with workers_held(ups[0]):
        yield


class _How(NamedTuple):
    """How offsets are reset: of what, whether claims begin anew, and whether members are waited for."""

    raws: Raws
    topics: Topics
    is_fresh: bool
    waits: bool

    def next_step(self, *, is_held: bool) -> str:
        if is_held:
            return "Its workers are being started."
        return "Start its workers now, with the new DAYMARK_CLAIM_KEY." if self.is_fresh else "Start its workers now."


def _rewind(
    there: Opened, group: str, wanted: Callable[[], Plan], how: _How, ups: Sequence[Described]
) -> tuple[Plan, int | None]:
    """Do what `_set_back` does while the workers of a `daymark up` stand still; with fresh claims, replace its key."""
    with _held(ups):
        planned, emitted_ms = _set_back(there, group, wanted, how)
        if ups and how.is_fresh:
            home.renew_claim_key(ups[0].folder)  # not before: killed now, it is run again, with a new key again
    click.echo(f"{group} is rewound by {planned.again:,} events. {how.next_step(is_held=bool(ups))}", err=True)
    return planned, emitted_ms


def _set_back(there: Opened, group: str, wanted: Callable[[], Plan], how: _How) -> tuple[Plan, int | None]:
    """Move the group once it has no members.

    Return what was done (workers may have come further meanwhile), and when the results of fresh claims begin.
    """
    admin, topics = there.clients.admin, how.topics
    while True:
        if how.waits:
            groups.wait_until_empty(
                admin, group, lambda members: click.echo(f"Waiting for {_named(members)}.", err=True)
            )
        elif present := groups.members(admin, group):
            raise click.ClickException(f"{group} is in use: stop {_named(present)}, or add --wait")
        planned = wanted()
        emitted_ms = fresh.begins(admin, topics, there.partitions) if how.is_fresh else None
        if emitted_ms is not None:
            click.echo(f"What counts is emitted from {instant.shown(emitted_ms)} on (docs/replay.md).", err=True)
        try:
            groups.set_back(there.clients.committed, how.raws, moved_to(planned.parts), is_fresh=how.is_fresh)
        except groups.InUse:
            if not how.waits:
                raise click.ClickException(
                    f"{group} is in use: a worker has joined meanwhile; no offsets were reset"
                ) from None
            continue
        return planned, emitted_ms


def _named(members: Sequence[groups.Member]) -> str:
    names = ", ".join(f"{member.name} at {member.host}" for member in members)
    static = " (static: it leaves when its session times out)" if any(member.is_static for member in members) else ""
    return f"{len(members)} {'member' if len(members) == 1 else 'members'}: {names}{static}"


def _period(planned: Plan, until_ms: int | None, emitted_ms: int | None) -> list[str]:
    """Return the audit's options for what was read again."""
    bounds = {"--since": planned.oldest_ms, "--until": until_ms, "--emitted-since": emitted_ms}
    return [word for name, at_ms in bounds.items() if at_ms is not None for word in (name, instant.shown(at_ms))]


def _audit(group: str, period: Sequence[str], *, as_line: bool) -> int:
    """Audit what was read again, and return the exit status."""
    wanted = [sys.executable, "-m", "daymark", "audit", "--group", group, *period, *["--json"] * as_line]
    click.echo("The replay is complete; auditing it.", err=True)
    return subprocess.run(wanted, check=False).returncode  # noqa: S603  our own command
