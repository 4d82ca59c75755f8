"""`daymark simulate`: sends an audience sync of N contacts, or an audience's lifecycle, over HTTP or to the topic.

Reads options, wires and shows (contract, section 8). `simulation.audience` and `simulation.delivery` decide what is
sent, `simulation.sending` and `simulation.records` send it. The exit status is 0 only when every event was sent and
every response was as expected.
"""

import asyncio
import dataclasses
import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import click
import msgspec
from rich.console import Console

from daymark import bar, settings, statuses
from daymark.output import standard_output
from daymark.simulation import audience, delivery, life, requests, sending
from daymark.simulation.audience import Event, Expected, Plan
from daymark.simulation.life import Life
from daymark.simulation.summary import Summary, as_json, as_table, summarise
from daymark.simulation.tally import Pace, Tally
from daymark.simulation.truth import Truth
from schemas import workspace as workspaces
from schemas import zones

_SHARE = click.FloatRange(0, 1)


class _Script(NamedTuple):
    """What is to be sent, and the expected results."""

    expected: Expected
    events: Iterator[Event]


def _refuse_argument(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    if context.get_parameter_source(str(parameter.name)) is click.core.ParameterSource.COMMANDLINE:
        raise click.UsageError("A secret must not be an argument: set DAYMARK_KEY, or name a file with --key-file.")
    return value


@click.command()
@click.option("--contacts", type=click.IntRange(1), default=1000, show_default=True, help="People in the audience.")
@click.option("--days", type=click.IntRange(1, 3650), default=1, show_default=True, help="Consecutive days.")
@click.option("--start-day", type=click.DateTime(["%Y-%m-%d"]), help="First day.  [default: today is the last]")
@click.option("--time-zone", default="UTC", show_default=True, help="Time zone of the days: the workspace's.")
@click.option(
    "--repeat",
    type=click.FloatRange(1),
    default=1.0,
    show_default=True,
    help="Calls per contact-day; 1.5 means a second one for half of them.",
)
@click.option(
    "--retries",
    "--repeated",
    "retries",
    type=_SHARE,
    default=0.0,
    show_default=True,
    help="Share of calls retried, byte for byte.",
)
@click.option("--invalid", type=_SHARE, default=0.0, show_default=True, help="Share of additional, invalid calls.")
@click.option("--deltas", type=click.IntRange(0), default=0, help="Lifecycle: hours in which members leave and enter.")
@click.option("--resyncs", type=click.IntRange(0), default=0, help="Lifecycle: hours of a whole re-sync.")
@click.option(
    "--replays", type=click.IntRange(0), default=0, help="Lifecycle: how often the whole history is replayed."
)
@click.option(
    "--out-of-order",
    type=_SHARE,
    default=0.0,
    help="Lifecycle: share of calls delivered after newer ones.",
)
@click.option(
    "--truth",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    help="Lifecycle: write the expected final value of each property to this file, one JSON object per line.",
)
@click.option("--audience", "name", default="Order completed last 30days", show_default=True, help="Its name.")
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="Same seed, same calls.")
@click.option(
    "--to",
    type=click.Choice(["http", "topic"]),
    default="http",
    show_default=True,
    help="Over HTTP or straight to the topic.",
)
@click.option("--url", help="URL of the API.  [default: that of `daymark up` here, else DAYMARK_HTTP]")
@click.option("--key", envvar="DAYMARK_KEY", hidden=True, callback=_refuse_argument)
@click.option(
    "--key-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    envvar="DAYMARK_KEY_FILE",
    help="File with the API key.  [default: DAYMARK_KEY, else the key of `daymark up` here]",
)
@click.option(
    "--workspace", help="With --to topic and --truth: workspace of the calls.  [default: that of `daymark up` here]"
)
@click.option(
    "--batch",
    type=click.IntRange(0, requests.MOST_EVENTS),
    default=0,
    show_default=True,
    help="Events per request; 0 sends single calls.",
)
@click.option("--gzip", "gzipped", is_flag=True, help="Compress requests.")
@click.option("--concurrency", type=click.IntRange(1, 10_000), default=32, show_default=True, help="Connections.")
@click.option("--rate", type=click.FloatRange(0, min_open=True), help="Maximum events per second.  [default: no limit]")
@click.option(
    "--patience",
    type=click.FloatRange(1),
    default=300.0,
    show_default=True,
    help="Seconds for which a request is retried.",
)
@click.option("--json", "as_line", is_flag=True, help="The summary as one line of JSON.")
def command(**options: Any) -> None:
    """Send an Engage audience: its first sync, or its whole life.

    Every contact occurs on every day, in a shuffled order, as Segment's Engage sends it. The summary shows the expected
    result, provided that none of these contact-days existed before: another --seed sends other calls of the same
    contacts. The exit status is 1 when an event could not be sent, 3 when a response was not as expected.

    With --deltas, --resyncs, --replays or --out-of-order it simulates a lifecycle instead: N members are synced within
    an hour, with a call for each identifier, and every hour some leave and others enter. It ends now.
    """
    script = _life(options) if _is_life(options) else _sync(options)
    tally, started = Tally(), time.monotonic()
    send = _to_topic if options["to"] == "topic" else _to_http
    stopped = False
    with bar.shown() as shown:
        shown.expect(script.expected.events)
        tally.advance = lambda events: shown.advance("Sending", events)
        try:
            send(script.events, options, tally)
        except KeyboardInterrupt:
            stopped = True
    summary = summarise(script.expected, tally, time.monotonic() - started)
    _show(summary, as_line=options["as_line"])
    if stopped:
        click.echo("daymark: stopped before everything was sent", err=True)
        raise KeyboardInterrupt
    if summary.unexpected:
        raise statuses.SomethingWrong("the outcome differs from what was expected; see above")
    if not summary.is_sound:
        raise click.ClickException("not everything was sent; see above")


def _sync(options: dict[str, Any]) -> _Script:
    zone, now_ms = _zone(options["time_zone"]), time.time_ns() // 1_000_000
    start: datetime | None = options["start_day"]
    first = start.date() if start else audience.today(now_ms, zone) - timedelta(days=options["days"] - 1)
    shares = {name: options[name] for name in ("repeat", "retries", "invalid", "seed")}
    try:
        plan = Plan(options["contacts"], first, now_ms, options["days"], audience=options["name"], zone=zone, **shares)
    except ValueError as error:
        raise click.UsageError(f"{error}.") from None
    return _Script(audience.expected(plan), audience.events(plan))


def _is_life(options: dict[str, Any]) -> bool:
    return any(options[name] for name in ("deltas", "resyncs", "replays", "out_of_order", "truth"))


def _life(options: dict[str, Any]) -> _Script:
    if options["days"] != 1 or options["repeat"] != 1 or options["invalid"]:
        raise click.UsageError("--days, --repeat and --invalid apply to a first sync, not to a lifecycle.")
    zone, now_ms = _zone(options["time_zone"]), time.time_ns() // 1_000_000
    numbers = {name: options[name] for name in ("deltas", "resyncs", "replays", "out_of_order", "seed")}
    try:
        plan = Life(
            options["contacts"], now_ms, repeated=options["retries"], audience=options["name"], zone=zone, **numbers
        )
    except ValueError as error:
        raise click.UsageError(f"{error}.") from None
    plan = _begun(plan, options["start_day"], now_ms)
    with Console(stderr=True).status("Simulating"):
        truth = Truth(plan)
        if options["truth"]:
            _write(truth, options["truth"], _workspace(options))
    return _Script(truth.expected(), delivery.events(plan))


def _begun(plan: Life, start_day: datetime | None, now_ms: int) -> Life:
    """Return the life as it begins on its first day, or so that it ends now."""
    latest_ms = now_ms - plan.hours * life.HOUR_MS
    if start_day is None:
        return dataclasses.replace(plan, start_ms=latest_ms)
    start_ms = int(start_day.replace(tzinfo=plan.zone or UTC).timestamp() * 1000)
    if start_ms > latest_ms:
        raise click.UsageError(f"{plan.hours} hours from {start_day.date()} end after now.")
    return dataclasses.replace(plan, start_ms=start_ms)


def _write(truth: Truth, file: Path, workspace: str) -> None:
    try:
        with file.open("wb") as lines:
            lines.writelines(msgspec.json.encode(each) + b"\n" for each in truth.properties(workspace))
    except OSError as error:
        raise click.ClickException(f"{file} cannot be written: {error.strerror}") from None


def _zone(name: str) -> ZoneInfo | None:
    try:
        return zones.find(name)
    except zones.UnknownZone:
        raise click.UsageError(f"{name!r} is not a time zone; expected a name such as Europe/Berlin.") from None


def _to_http(events: Iterator[Event], options: dict[str, Any], tally: Tally) -> None:
    target = _target(options)
    calls = requests.requests(events, options["batch"], target)
    manner = sending.Manner(options["concurrency"], options["rate"], options["patience"])
    try:
        asyncio.run(sending.send(calls, target, manner, tally))
    except sending.Hopeless as error:
        raise click.ClickException(f"{error}. Are these the URL and the key of a running Daymark?") from None


def _target(options: dict[str, Any]) -> requests.Target:
    up = _running()
    url = options["url"] or up.get("http") or _configured_url()
    key_file: Path | None = options["key_file"]
    key = key_file.read_text("utf-8").strip() if key_file else options["key"]
    if not key and url == up.get("http"):  # its key is nobody else's business
        key = up["key"]
    if not key:
        raise click.UsageError("No API key: set DAYMARK_KEY or pass --key-file; `daymark keys new` creates one.")
    try:
        return requests.target(url, key, gzipped=options["gzipped"])
    except ValueError as error:
        raise click.UsageError(f"--url: {error}.") from None


def _to_topic(events: Iterator[Event], options: dict[str, Any], tally: Tally) -> None:
    from confluent_kafka import KafkaException, Producer  # noqa: PLC0415  a driver that sending over HTTP does without

    from daymark import metadata  # noqa: PLC0415
    from daymark.kafka import command_config  # noqa: PLC0415
    from daymark.simulation import records  # noqa: PLC0415

    found = settings.from_environment()
    heard = metadata.Heard()
    own = {"message.timeout.ms": int(options["patience"] * 1000), "error_cb": heard}
    producer = Producer(command_config(found) | records.CONFIG | own)
    pace = Pace(options["rate"], time.monotonic())
    try:
        events_topic = found.topics.events
        known = metadata.showing((events_topic,), lambda: metadata.ask(producer, found.kafka, heard=heard)).topics
        if events_topic not in known:
            raise metadata.NoTopic((events_topic,))
        destination = records.Destination(events_topic, _workspace(options))
        records.publish(events, producer, destination, pace, tally)
    except KafkaException as error:
        raise click.ClickException(f"Kafka at {found.kafka}: {error.args[0].str()}. Is DAYMARK_KAFKA right?") from None


def _workspace(options: dict[str, Any]) -> str:
    return options["workspace"] or _running().get("workspace") or workspaces.DEFAULT


def _configured_url() -> str:
    address = settings.from_environment().http
    return f"http://{address.host}:{address.port}"


def _running() -> dict[str, str]:
    """Return how the `daymark up` of this folder is reached, nothing when there is none."""
    found = settings.running_ups()
    return found[0].at._asdict() if len(found) == 1 else {}


def _show(summary: Summary, *, as_line: bool) -> None:
    if as_line:
        click.echo(json.dumps(as_json(summary)))
    else:
        standard_output().print(as_table(summary))
