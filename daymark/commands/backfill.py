"""`daymark backfill`: identify calls of Segment's archive go into segment.events (contract, section 8)."""

import math
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

import click
from confluent_kafka import TopicCollection

from daymark import bar, settings, workspaces_file
from daymark.backfilling import archive, buckets, report, run
from daymark.backfilling.archive import Damaged, File, Found
from daymark.backfilling.batches import MOST_EVENTS, Batch, Judge, batches, left
from daymark.backfilling.judging import Wanted, judge
from daymark.backfilling.report import Files
from daymark.backfilling.sending import Destination, NotSent, Sender
from daymark.backfilling.state import State, StateFault, open_state
from daymark.clients import opened
from daymark.instant import Instant, shown
from daymark.kafka import command_config
from daymark.settings import Settings
from processor import incarnation
from schemas.workspace import Workspace

_ANSWER_S: Final = 10.0
_RATE: Final = 1000.0  # events a second, where live ones would have to wait for more


class _Source(click.ParamType[Path | str]):
    """A file, a folder or s3://bucket/prefix, which stays text."""

    name = "path"

    def convert(self, value: Any, parameter: click.Parameter | None, context: click.Context | None) -> Path | str:
        if str(value).startswith(buckets.SCHEME):
            return str(value)
        found: Path = click.Path(exists=True, path_type=Path).convert(value, parameter, context)
        return found


@click.command()
@click.argument("paths", nargs=-1, required=True, type=_Source())
@click.option("--workspace", required=True, help="Workspace of the events.")
@click.option("--since", type=Instant(), help="Only events from this time on: 2026-11-24, 2026-11-24T12:00Z, -2h.")
@click.option("--until", type=Instant(), help="Only events before this time.")
@click.option(
    "--rate",
    type=click.FloatRange(0, min_open=True),
    help="Maximum events per second: the workers' spare capacity.  [default: 1000; in the lane no limit]",
)
@click.option(
    "--lane/--no-lane",
    default=None,
    help="Send into segment.backfill, whose events wait for live ones.  [default: as DAYMARK_BACKFILL_LANE]",
)
@click.option(
    "--state",
    type=click.Path(dir_okay=False, path_type=Path),
    default="daymark-backfill.state",
    show_default=True,
    help="File that records the progress.",
)
@click.option("--dry-run", is_flag=True, help="Read and count everything, send nothing.")
@click.option("--json", "as_line", is_flag=True, help="The counts as one line of JSON.")
def command(paths: tuple[Path | str, ...], **options: Any) -> None:
    """Send identify calls from Segment's archive, each once.

    PATHS are files, or folders and s3://bucket/prefix, which are searched for .gz, .json, .jsonl and .ndjson: a call
    per line, compressed or not. Calls other than identify, and what the API would refuse, are counted by reason and
    left out.

    It may be interrupted or killed at any moment: run it again with the same arguments, and it resumes where it stopped
    and sends nothing twice. Later runs send what was added to the archive since. The counts are those of all runs.
    """
    found, wanted = settings.from_environment(), Wanted(options["since"], options["until"])
    if options["lane"] is None:
        options["lane"] = found.backfill_lane
    if options["rate"] is None and not options["lane"]:
        options["rate"] = _RATE
    judging = _judge(_workspace(found, options["workspace"]), wanted)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # leaves no transaction open
    damaged: list[str] = []
    try:
        files = _found(paths)
        counts, before = (
            (_counted(files.files, judging, damaged), 0)
            if options["dry_run"]
            else _sent(files.files, judging, damaged, found, options)
        )
    except Damaged as error:
        raise click.ClickException(str(error)) from None
    _show(counts, _files(files, before, damaged), options)


def _found(paths: tuple[Path | str, ...]) -> Found:
    found = [archive.find([path for path in paths if isinstance(path, Path)])]
    found += [buckets.find(path) for path in paths if isinstance(path, str)]
    files = {file.name: file for some in found for file in some.files}
    return Found([files[name] for name in sorted(files)], sum(some.stray for some in found))


def _show(counts: dict[str, Any], files: Files, options: dict[str, Any]) -> None:
    if options["as_line"]:
        click.echo(report.as_json(counts, files, dry_run=options["dry_run"]))
    else:
        for line in report.as_text(counts, files, dry_run=options["dry_run"], rate=options["rate"]):
            click.echo(line)
    if files.damaged:
        told = "; ".join(files.damaged[:3])
        raise click.ClickException(f"{len(files.damaged):,} files are damaged; they were read up to the damage. {told}")


def _files(files: Found, before: int, damaged: list[str]) -> Files:
    return Files(len(files.files), before, files.stray, tuple(damaged))


def _workspace(found: Settings, name: str) -> Workspace:
    if found.workspaces is None:
        return Workspace(name)
    known = workspaces_file.read(found.workspaces)
    if name not in known:
        raise click.UsageError(f"There is no workspace {name!r} in {found.workspaces}.")
    return known.get(name)


def _judge(workspace: Workspace, wanted: Wanted) -> Judge:
    return lambda line: judge(line, workspace, wanted, time.time_ns() // 1_000_000)


def _counted(files: list[File], judging: Judge, damaged: list[str]) -> dict[str, Any]:
    counts: dict[str, Any] = {}
    with bar.shown(in_bytes=True) as progress:
        progress.expect(sum(file.size for file in files))
        for batch in batches(files, {}, judging, MOST_EVENTS, damaged):
            counts = batch.added_to(counts)
            progress.advance("Reading", batch.read)
    return counts


def _sent(
    files: list[File], judging: Judge, damaged: list[str], found: Settings, options: dict[str, Any]
) -> tuple[dict[str, Any], int]:
    """Send what is left; return the counts of all runs, and how many files were done before this one."""
    rate, path = options["rate"], options["state"]
    most = min(MOST_EVENTS, math.ceil(rate)) if rate else MOST_EVENTS  # a second's at most, so that the rate is even
    try:
        topic = found.topics.backfill if options["lane"] else found.topics.events
        with _state(path, found, topic, options) as state, _sender(found, state, topic, options["workspace"]) as sender:
            run.settle(state, sender)
            todo = left(files, state.done)
            with bar.shown(in_bytes=True) as progress:
                progress.expect(sum(file.size for file in todo))
                advance = partial(_advance, progress)
                run.send(batches(todo, state.done, judging, most, damaged), state, sender, rate, advance)
            return state.counts, len(files) - len(todo)
    except KeyboardInterrupt:
        click.echo("Interrupted: run it again to continue.", err=True)
        raise
    except StateFault as error:
        raise click.UsageError(f"{path}: {error}.") from None
    except NotSent as error:
        raise click.ClickException(
            f"Kafka at {found.kafka}: {error}. What was sent is recorded; run it again to continue"
        ) from None


def _advance(progress: bar.Bar, batch: Batch) -> None:
    progress.advance("Sending", batch.read)


@contextmanager
def _state(path: Path, found: Settings, topic: str, options: dict[str, Any]) -> Iterator[State]:
    since, until = (None if options[name] is None else shown(options[name]) for name in ("since", "until"))
    with opened(found, found.group, {topic, found.topics.events}) as there:
        _check_alike(there.partitions)
        described = there.clients.admin.describe_topics(TopicCollection([topic]), request_timeout=_ANSWER_S)[topic]
        mark = incarnation.mark(described.result(_ANSWER_S).topic_id)
    aim = {"topic": f"{topic} {mark.hex()}", "--workspace": options["workspace"], "--since": since, "--until": until}
    with open_state(path, aim) as state:
        yield state


def _check_alike(partitions: Mapping[str, Sequence[int]]) -> None:
    """See that a contact's events are in the same partition of each topic: one worker reads them all."""
    if len({len(numbers) for numbers in partitions.values()}) > 1:
        told = ", ".join(f"{topic} {len(numbers)}" for topic, numbers in sorted(partitions.items()))
        raise click.ClickException(f"the topics have different numbers of partitions: {told}; see `daymark topics`")


@contextmanager
def _sender(found: Settings, state: State, topic: str, workspace: str) -> Iterator[Sender]:
    to = Destination(
        topic,
        workspace,
        f"{found.group}-backfill-{state.id}",
        f"daymark-{found.topics.prefix}backfill-{state.id}",
    )
    sender = Sender(command_config(found), to)
    try:
        yield sender
    finally:
        sender.close()
