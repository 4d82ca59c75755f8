"""`daymark tail`: interactions, traits and rejections as they commit, decoded (contract, section 8).

Reads every partition itself, as a member of no group: it moves nobody's offsets, and any number may run. Invariant:
what is shown has been committed; from the moment of the first line on stderr nothing that commits is missed.
"""

import base64
import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from typing import Any, Final
from uuid import UUID

import click
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, TopicPartition
from confluent_kafka.admin import ClusterMetadata  # type: ignore[attr-defined]  # public, but not marked so

from daymark import cluster, registry, settings
from daymark.kafka import client_config
from schemas import avro
from schemas.topics import Topics

_KINDS = ("interactions", "traits", "rejected")

# What commits shows at once: a fetch waits for data no longer than this, and a lost broker is soon looked for again.
_CONFIG: Final[dict[str, Any]] = {
    "group.id": "daymark-tail",  # librdkafka wants one; it is not joined
    "enable.auto.commit": False,
    "isolation.level": "read_committed",
    "auto.offset.reset": "earliest",  # what was to be read next is deleted: go on with what there is
    "fetch.wait.max.ms": 100,
    "fetch.error.backoff.ms": 100,
}
_LOOK_S = 0.2
_OFFSETS_S = 10.0

Show = Callable[[Message, str, dict[str, Any]], str]


@click.command()
@click.option("--topic", "kinds", type=click.Choice(_KINDS), multiple=True, help="Repeatable.  [default: all]")
@click.option("--from-beginning", is_flag=True, help="All that is there, then what comes.")
@click.option("--count", type=click.IntRange(1), help="Stop after so many.")
@click.option("--timeout", type=click.FloatRange(0, min_open=True), help="Stop after so many seconds.")
@click.option("--json", "as_lines", is_flag=True, help="A line of JSON each.")
def command(
    kinds: tuple[str, ...], count: int | None, timeout: float | None, *, from_beginning: bool, as_lines: bool
) -> None:
    """Show interactions, traits and rejections as they commit.

    Ctrl-C ends it. With --count and --timeout the exit status is 1 when fewer came in time.
    """
    found = settings.from_environment()
    heard = cluster.Heard()
    consumer = Consumer(client_config(found) | cluster.QUIET | _CONFIG | {"error_cb": heard})
    until = time.monotonic() + timeout if timeout else None
    show, shown = (as_json if as_lines else as_text), 0
    by_id = registry.lookup(found.schema_registry) if found.schema_registry else None
    try:
        names = _names(found.topics, kinds or _KINDS)
        known = cluster.showing(names, lambda: cluster.ask(consumer, found.kafka, heard=heard))
        missing = [name for name in names if name not in known.topics]
        if missing and (kinds or len(missing) == len(names)):
            raise cluster.NoTopic(missing)
        consumer.assign(_places(consumer, known, names, from_beginning=from_beginning))
        click.echo("Waiting for what commits; Ctrl-C ends it.", err=True)
        for message in _messages(consumer, until):
            click.echo(line(message, show, by_id))
            shown += 1
            if shown == count:
                return
    except KeyboardInterrupt:
        return
    except KafkaException as error:
        raise click.ClickException(f"Kafka at {found.kafka}: {error.args[0].str()}") from None
    finally:
        consumer.close()
    if count:
        raise click.ClickException(f"{shown} of {count} came within {timeout:g} s")


def line(message: Message, show: Show, by_id: Callable[[int], avro.Schema] | None = None) -> str:
    """Return the line that stands for a record, also for one that cannot be read.

    Args:
        message: the record.
        show: `as_text` or `as_json`.
        by_id: looks up a registry's schema.
    """
    try:
        schema, record = avro.decode(message.value() or b"", by_id)
    except avro.UnreadableValue as error:
        schema, record = "", {"unreadable": str(error)}
    return show(message, schema, record)


def _names(topics: Topics, kinds: tuple[str, ...]) -> list[str]:
    named = {"interactions": topics.interactions, "traits": topics.traits, "rejected": topics.rejected}
    return [named[kind] for kind in kinds]


def _places(
    consumer: Consumer, known: ClusterMetadata, names: list[str], *, from_beginning: bool
) -> list[TopicPartition]:
    """Return every partition of those of the topics that are there, and where to begin in it."""
    places = [
        TopicPartition(name, number, OFFSET_BEGINNING)
        for name in names
        if name in known.topics
        for number in known.topics[name].partitions
    ]
    if not from_beginning:
        for place in places:
            # With read_committed the end is the last stable offset: what is in an open transaction now, will show.
            place.offset = _end(consumer, place)
    return places


def _end(consumer: Consumer, place: TopicPartition) -> int:
    """Return where the next record will be. A topic just made has no leader for a moment, so it asks again."""
    until = time.monotonic() + _OFFSETS_S
    while True:
        try:
            return consumer.get_watermark_offsets(place, timeout=_OFFSETS_S)[1]
        except KafkaException:
            if time.monotonic() > until:
                raise
            consumer.poll(_LOOK_S)


def _messages(consumer: Consumer, until: float | None) -> Iterator[Message]:
    """Yield records until the time has come, for ever if there is none."""
    while until is None or time.monotonic() < until:
        message = consumer.poll(_LOOK_S)
        if message is None:
            continue
        error = message.error()
        if error is None:
            if message.value() is not None:  # a tombstone says nothing
                yield message
        elif error.fatal() or error.code() in {KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError.TOPIC_AUTHORIZATION_FAILED}:
            raise KafkaException(error)


def as_text(message: Message, schema: str, record: dict[str, Any]) -> str:
    """Return a record for a person: when it was emitted, whose it is, what it says, partition and offset."""
    match schema:
        case "TimelineInteraction":
            parts = [record["day"], record["email"], record["description"]]
        case "ContactTrait":
            moved = {True: "entered", False: "left", None: ""}[record["membership"]]
            parts = [record["timestamp"], record["email"], f"{record['name']} = {record['value']} {moved}".rstrip()]
        case "RejectedEvent":
            parts = ["rejected", f"{record['reason']}: {record['message']} (in {record['stage']})"]
        case _:
            parts = [f"{name}: {value}" for name, value in record.items()]
    place = f"{message.partition()}:{message.offset()}"
    words = [_emitted_at(message), record.get("workspace") or "-", *parts, place]
    return "  ".join(_printable(str(_plain(word))) for word in words)


def as_json(message: Message, schema: str, record: dict[str, Any]) -> str:
    """Return a record for a program: where it is, when it was emitted, its schema, and all its fields."""
    where = {"topic": message.topic(), "partition": message.partition(), "offset": message.offset()}
    fields = dict(_json_field(name, value) for name, value in record.items())
    return json.dumps({**where, "emitted_at": _emitted_at(message), "schema": schema, "record": fields})


def _json_field(name: str, value: Any) -> tuple[str, Any]:
    """Return a field as JSON has it. Bytes are text, or, where they are not UTF-8, base64 under a name that says so."""
    if not isinstance(value, bytes):
        return name, _plain(value)
    try:
        return name, value.decode()
    except UnicodeDecodeError:
        return f"{name}_base64", base64.b64encode(value).decode()


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return str(value) if isinstance(value, date | UUID) else value


def _emitted_at(message: Message) -> str:
    return str(_plain(datetime.fromtimestamp(message.timestamp()[1] / 1000, UTC)))


def _printable(text: str) -> str:
    """Keep what a sender wrote from moving the cursor or colouring the terminal."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)
