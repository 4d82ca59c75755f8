"""`daymark tail`: interactions, traits and rejections as they commit, decoded (contract, section 8).

Reads every partition itself, as a member of no group: it moves nobody's offsets, and any number may run. Invariant:
what is shown has been committed; from the moment of the first line on stderr nothing that commits is missed.
"""

import time
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import click
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, TopicPartition
from confluent_kafka.admin import ClusterMetadata  # type: ignore[attr-defined]  # public, but not marked so

from daymark import metadata, registry, settings
from daymark.auditing.reading import UNREADABLE, offsets_at
from daymark.instant import Instant
from daymark.kafka import command_config
from daymark.shown import COLUMNS, Wanted, as_json, as_text, decode
from daymark.statuses import SomethingWrong
from schemas import contact
from schemas.rejections import Reason
from schemas.topics import Topics

# Each kind of record, and the schema of its topic.
_KINDS: Final = {"interactions": "TimelineInteraction", "traits": "ContactTrait", "rejected": "RejectedEvent"}

# What commits shows at once: a fetch waits for data no longer than this, and a lost broker is soon looked for again.
_CONFIG: Final[dict[str, Any]] = {
    "group.id": "daymark-tail",  # librdkafka wants one; it is not joined
    "enable.auto.commit": False,
    "isolation.level": "read_committed",
    "auto.offset.reset": "earliest",  # the next record was deleted: continue at the oldest one left
    "fetch.wait.max.ms": 100,
    "fetch.error.backoff.ms": 100,
}
_LOOK_S = 0.2
_OFFSETS_S = 10.0


class _From(NamedTuple):
    """Where to begin: at an instant (epoch ms), at the beginning, else with what commits from now on."""

    since_ms: int | None
    beginning: bool


def _email(_context: click.Context, _parameter: click.Parameter, text: str | None) -> str | None:
    if text is not None and (text := contact.normalise(text)) is None:
        raise click.BadParameter("not an e-mail address.")
    return text


@click.command(epilog="\n".join(("\b", "Each line is one record, its columns two spaces apart:", *COLUMNS.values())))
@click.option("--topic", "kinds", type=click.Choice([*_KINDS]), multiple=True, help="Repeatable.  [default: all]")
@click.option("--workspace", help="Only this workspace.")
@click.option("--email", callback=_email, help="Only this contact, in any letter case.")
@click.option(
    "--reason", type=click.Choice([reason.value for reason in Reason]), help="Only rejections with this reason."
)
@click.option(
    "--since",
    type=Instant(),
    help="Begin with records emitted since 2026-11-24, 2026-11-24T12:00Z or -2h; then follow.",
)
@click.option("--from-beginning", is_flag=True, help="Begin with the oldest record; then follow.")
@click.option("--count", type=click.IntRange(1), help="Stop after this many records.")
@click.option("--timeout", type=click.FloatRange(0, min_open=True), help="Stop after this many seconds.")
@click.option("--json", "as_lines", is_flag=True, help="One JSON object per line.")
def command(**options: Any) -> None:
    """Show interactions, traits and rejections as they commit.

    Stop it with Ctrl-C. With --count and --timeout the exit status is 3 when fewer records arrived in time.
    """
    if options["since"] is not None and options["from_beginning"]:
        raise click.UsageError("--since and --from-beginning cannot be combined.")
    kinds = options["kinds"] or (("rejected",) if options["reason"] else ())
    found = settings.from_environment()
    heard = metadata.Heard()
    consumer = Consumer(command_config(found) | _CONFIG | {"error_cb": heard})
    try:
        names = _names(found.topics, kinds or tuple(_KINDS))
        known = metadata.showing(names, lambda: metadata.ask(consumer, found.kafka, heard=heard))
        missing = [name for name in names if name not in known.topics]
        if missing and (kinds or len(missing) == len(names)):
            raise metadata.NoTopic(missing)
        consumer.assign(_places(consumer, known, names, _From(options["since"], options["from_beginning"])))
        if not options["as_lines"]:
            _explain(kinds or tuple(_KINDS))
        click.echo("Waiting for commits; press Ctrl-C to stop.", err=True)
        _show(consumer, found, options)
    except KafkaException as error:
        raise click.ClickException(f"Kafka at {found.kafka}: {error.args[0].str()}") from None
    finally:
        consumer.close()


def _explain(kinds: tuple[str, ...]) -> None:
    """Write the header to stderr, so that stdout holds records only."""
    for kind in kinds:
        click.echo(COLUMNS[_KINDS[kind]], err=True)


def _show(consumer: Consumer, found: settings.Settings, options: dict[str, Any]) -> None:
    count, timeout = options["count"], options["timeout"]
    wanted = Wanted(options["workspace"], options["email"], options["reason"])
    by_id = registry.lookup(found.schema_registry) if found.schema_registry else None
    show, shown = (as_json if options["as_lines"] else as_text), 0
    for message in _messages(consumer, time.monotonic() + timeout if timeout else None):
        record = decode(message, by_id)
        if wanted.fits(record):
            click.echo(show(record))
            shown += 1
        if shown == count:
            return
    if count:
        raise SomethingWrong(f"only {shown} of {count} records arrived within {timeout:g} s")


def _names(topics: Topics, kinds: tuple[str, ...]) -> list[str]:
    named = {"interactions": topics.interactions, "traits": topics.traits, "rejected": topics.rejected}
    return [named[kind] for kind in kinds]


def _places(consumer: Consumer, known: ClusterMetadata, names: list[str], start: _From) -> list[TopicPartition]:
    """Return every partition of those of the topics that are there, and where to begin in it."""
    places = [
        TopicPartition(name, number, OFFSET_BEGINNING)
        for name in names
        if name in known.topics
        for number in known.topics[name].partitions
    ]
    if start.beginning:
        return places
    for place in places:
        # With read_committed the end is the last stable offset: what is in an open transaction now, will show.
        place.offset = _end(consumer, place)
    if start.since_ms is not None:
        for place in places:
            since = offsets_at(consumer, place.topic, [place.partition], start.since_ms)[place.partition]
            place.offset = place.offset if since is None else min(since, place.offset)
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
    """Yield records until the time-out, forever if there is none."""
    upto: dict[tuple[str | None, int | None], int] = {}  # where reading goes on
    while until is None or time.monotonic() < until:
        message = consumer.poll(_LOOK_S)
        if message is None:
            continue
        error, offset, place = message.error(), message.offset() or 0, (message.topic(), message.partition())
        if error is None:
            upto[place] = offset + 1
            if message.value() is not None:  # a tombstone says nothing
                yield message
        elif error.code() == UNREADABLE:
            upto[place] = _pass_over(consumer, message, max(offset, upto.get(place, 0)))
        elif error.fatal() or error.code() in {KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError.TOPIC_AUTHORIZATION_FAILED}:
            raise KafkaException(error)


def _pass_over(consumer: Consumer, message: Message, offset: int) -> int:
    """Continue after a record that cannot be decompressed, say so, and return where.

    The driver names the first offset of the record's batch, each time: they are passed over one after the other.
    After a seek, `poll` drops what was fetched before it, which a batch of `consume` may still hold.
    """
    topic, partition = message.topic() or "", message.partition() or 0
    consumer.seek(TopicPartition(topic, partition, offset + 1))
    click.echo(f"{topic} {partition}:{offset} cannot be decompressed and is not shown.", err=True)
    return offset + 1
