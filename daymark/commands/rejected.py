"""`daymark rejected`: counts, lists, shows and resends dead letters (contract, section 8)."""

import heapq
import json
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from typing import Any, Final, NamedTuple, TypeVar

import click
from confluent_kafka import Consumer

from daymark import bar, registry, settings
from daymark.auditing import reading
from daymark.auditing.reading import Bounds
from daymark.bar import Bar
from daymark.clients import Opened, opened
from daymark.instant import Instant
from daymark.kafka import command_config
from daymark.resending import faults, report
from daymark.resending.letters import Letter, Marks, Reader, Wanted
from daymark.resending.mending import Standing, judge
from daymark.resending.sending import BATCH, NotSent, Resend, Sender
from daymark.settings import Settings
from daymark.statuses import SomethingWrong
from daymark.workspaces_file import WorkspacesFile
from schemas.rejections import Reason
from schemas.workspace import DEFAULT, Workspaces

_DEFAULT_MS: Final = 7 * 86_400_000

F = TypeVar("F", bound=Callable[..., Any])


_Places = dict[int, set[int]]  # offsets by partition


class _Shelf(NamedTuple):
    """The dead letters of a time range, and the marks of those that were resent."""

    found: Settings
    there: Opened
    reader: Reader
    marks: Marks
    ends: Mapping[int, int]

    def letters(self, wanted: Wanted) -> Iterator[tuple[Letter, bool]]:
        """Yield dead letters, each with whether it was resent."""
        for letter in self.reader.letters(wanted):
            yield letter, (letter.partition, letter.offset) in self.marks


def _places(_context: click.Context, _parameter: click.Parameter, words: tuple[str, ...]) -> _Places:
    try:
        return report.places(words)
    except ValueError as error:
        raise click.BadParameter(f"{error} is not PARTITION:OFFSET.") from None


def _filters(command: F) -> F:
    reasons = click.Choice([reason.value for reason in Reason])
    for option in (
        click.option("--until", type=Instant(), help="Only those rejected before this time."),
        click.option(
            "--since",
            type=Instant(),
            help="Only those rejected since 2026-11-24, 2026-11-24T12:00Z, -2h.  [default: -7d]",
        ),
        click.option("--stage", type=click.Choice(["ingest", "processor"]), help="Only those rejected there."),
        click.option("--workspace", help="Only this workspace."),
        click.option("--reason", type=reasons, help="Only this reason."),
    ):
        command = option(command)
    return command


@click.group(invoke_without_command=True)
@click.pass_context
def command(context: click.Context) -> None:
    """Count, list, show and resend rejected events (dead letters).

    Without a sub-command, those of the last 7 days are counted.
    """
    if context.invoked_subcommand is None:
        context.invoke(counts)


@command.command()
@_filters
@click.option("--json", "as_line", is_flag=True, help="One line of JSON.")
def counts(**options: Any) -> None:
    """Count by reason, workspace and hour."""
    counted = report.Counts()
    with _shelf(options) as shelf:
        for letter, is_sent in shelf.letters(_wanted(options)):
            counted.add(letter, is_sent=is_sent)
    if options.get("as_line"):
        click.echo(json.dumps(counted.as_json()))
    else:
        for line in counted.as_lines():
            click.echo(line)


@command.command("list")
@_filters
@click.option(
    "--last", type=click.IntRange(1, 100_000), default=50, show_default=True, help="At most this many, the newest."
)
@click.option("--json", "as_lines", is_flag=True, help="One JSON object per line.")
def listed(**options: Any) -> None:
    """List rejected events, the newest last."""
    with _shelf(options) as shelf:
        found = heapq.nlargest(options["last"], shelf.letters(_wanted(options)), key=lambda each: each[0].rejected_ms)
    for letter, is_sent in reversed(found):
        if options["as_lines"]:
            click.echo(json.dumps(report.as_json(letter, is_sent=is_sent)))
        else:
            click.echo(report.line(letter, is_sent=is_sent))


@command.command()
@click.argument("places", metavar="PARTITION:OFFSET...", nargs=-1, required=True, callback=_places)
@click.option("--json", "as_lines", is_flag=True, help="One JSON object per line.")
def show(places: _Places, *, as_lines: bool) -> None:
    """Show rejected events with the fault marked, and whether they would be accepted now.

    It prints the events, which are personal data. The exit status is 3 when there is no such record.
    """
    missing = {(partition, offset) for partition, offsets in places.items() for offset in offsets}
    with _shelf({}, places) as shelf:
        found, workspaces = [*shelf.letters(_wanted({}, places))], _workspaces(shelf.found)
    for letter, is_sent in found:
        missing.discard((letter.partition, letter.offset))
        judged = judge(letter, workspaces, _now_ms(), is_sent=is_sent)
        marked = faults.mark(letter.raw, letter.reason, workspaces.get(letter.workspace or DEFAULT))
        if as_lines:
            click.echo(json.dumps(report.shown_as_json(letter, judged, marked)))
        else:
            for line in report.shown(letter, judged, marked):
                click.echo(line)
    if missing:
        raise SomethingWrong(f"no rejected event at {', '.join(f'{each[0]}:{each[1]}' for each in sorted(missing))}")


@command.command()
@click.argument("places", metavar="[PARTITION:OFFSET]...", nargs=-1, callback=_places)
@_filters
@click.option("--execute", is_flag=True, help="Send. Without it, only show what would be sent.")
@click.option("--json", "as_line", is_flag=True, help="One line of JSON.")
def resend(places: _Places, **options: Any) -> None:
    """Resend rejected events after a fix, each at most once.

    An event that the current workspaces file would accept is published to segment.events as if it had just been
    received. In the same transaction it is marked in segment.rejected, so that running this again, even after a kill,
    sends only what was not sent before. Events that would be rejected again are left alone.
    """
    standings, sent = {standing: Counter[str]() for standing in Standing}, 0
    with _shelf(options, places) as shelf:
        workspaces, now_ms = _workspaces(shelf.found), _now_ms()

        def ready() -> Iterator[Resend]:
            for letter, is_sent in shelf.letters(_wanted(options, places)):
                judged = judge(letter, workspaces, now_ms, is_sent=is_sent)
                standings[judged.standing][letter.reason] += 1
                if judged.event is not None:
                    yield Resend(letter, judged.event)

        if options["execute"]:
            with _sender(shelf) as sender:
                for batch in _batches(ready()):
                    try:
                        sent += sender.send(batch)
                    except NotSent as error:
                        raise click.ClickException(f"{sent:,} were sent; then: {error}") from None
        else:
            deque(ready(), maxlen=0)
    _say(standings, sent, unreadable=shelf.reader.unreadable, **options)


def _say(standings: Mapping[Standing, Counter[str]], sent: int, *, unreadable: int, **options: Any) -> None:
    if options["as_line"]:
        counted = {standing.value: dict(reasons) for standing, reasons in standings.items()}
        said = {"executed": options["execute"], "sent": sent, "unreadable": unreadable, "letters": counted}
        click.echo(json.dumps(said))
        return
    for line in report.plan(standings):
        click.echo(line)
    if unreadable:
        click.echo(f"{unreadable:>10,}  cannot be decoded")
    ready = standings[Standing.READY].total()
    if options["execute"]:
        beside = f"; {ready - sent:,} were resent by another command meanwhile" if ready > sent else ""
        click.echo(f"{sent:,} resent{beside}.")
    else:
        click.echo("Nothing was sent; --execute sends them." if ready else "There is nothing to send.")


@contextmanager
def _shelf(options: Mapping[str, Any], places: _Places | None = None) -> Iterator[_Shelf]:
    """Open segment.rejected, and read the marks in it."""
    found = settings.from_environment()
    by_id = registry.lookup(found.schema_registry) if found.schema_registry else None
    topic = found.topics.rejected
    with opened(found, found.group, [topic]) as there, bar.shown() as shown:
        bounds = reading.bounds(there.clients.uncommitted, topic, there.partitions[topic])
        stretch = _stretch(there, topic, bounds, options) if not places else _around(places, bounds)
        marks = Marks()
        behind = {number: (first, bounds[number][1]) for number, (first, _) in stretch.items()}
        Reader(there.clients.committed, topic, behind, by_id, shown).note(marks)
        reader = Reader(there.clients.committed, topic, stretch, by_id, shown)
        yield _Shelf(found, there, reader, marks, {number: end for number, (_, end) in bounds.items()})


def _stretch(there: Opened, topic: str, bounds: Bounds, options: Mapping[str, Any]) -> Bounds:
    since_ms, until_ms = options.get("since"), options.get("until")
    since_ms = _now_ms() - _DEFAULT_MS if since_ms is None else since_ms
    return reading.between(there.clients.uncommitted, topic, bounds, since_ms, until_ms)


def _around(places: _Places, bounds: Bounds) -> Bounds:
    """Return the least that holds some records."""
    within = {
        number: [offset for offset in offsets if bounds[number][0] <= offset < bounds[number][1]]
        for number, offsets in places.items()
        if number in bounds
    }
    return {number: (min(offsets), max(offsets) + 1) for number, offsets in within.items() if offsets}


@contextmanager
def _sender(shelf: _Shelf) -> Iterator[Sender]:
    """Open what sends, with a separate reader for marks written in the meantime."""
    found, topic, positions = shelf.found, shelf.found.topics.rejected, dict(shelf.ends)
    config = command_config(found)
    consumer = Consumer({**reading.over(config), "group.id": found.group})

    def sent() -> Marks:
        ends = reading.bounds(shelf.there.clients.uncommitted, topic, shelf.ends)
        stretch = {number: (positions[number], end) for number, (_, end) in ends.items()}
        Reader(consumer, topic, stretch, None, Bar()).note(shelf.marks)
        positions.update({number: end for number, (_, end) in ends.items()})
        return shelf.marks

    try:
        yield Sender(config, found.topics, sent)
    finally:
        consumer.close()


def _batches(resends: Iterator[Resend]) -> Iterator[list[Resend]]:
    while batch := [*islice(resends, BATCH)]:
        yield batch


def _wanted(options: Mapping[str, Any], places: _Places | None = None) -> Wanted:
    chosen = None if not places else {(number, offset) for number, offsets in places.items() for offset in offsets}
    return Wanted(options.get("reason"), options.get("workspace"), options.get("stage"), chosen)


def _workspaces(found: Settings) -> Workspaces:
    return WorkspacesFile(found.workspaces).current() if found.workspaces else Workspaces()


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
