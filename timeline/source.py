"""Kafka as the reader sees it: records that are committed, from offsets that the store names. Joins no group.

The only import of Kafka's driver here.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple, TypeVar, cast

from confluent_kafka import (
    Consumer,
    IsolationLevel,
    KafkaError,
    KafkaException,
    Message,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]  # public, but not marked so

from timeline.store.batches import Place

_CONFIG: Final[Mapping[str, Any]] = {
    "group.id": "daymark-timeline",  # librdkafka wants one; it is not joined
    "enable.auto.commit": False,
    "enable.auto.offset.store": False,
    "enable.partition.eof": True,
    "isolation.level": "read_committed",
    "auto.offset.reset": "earliest",  # the next record was deleted: continue at the oldest one left
    "fetch.wait.max.ms": 100,
    "fetch.error.backoff.ms": 100,
    "fetch.queue.backoff.ms": 20,
    "queued.max.messages.kbytes": 32768,
}
_ANSWER_S: Final = 10.0
_END: Final = KafkaError._PARTITION_EOF  # noqa: SLF001  public, in spite of their names
_UNREADABLE: Final = KafkaError._BAD_COMPRESSION  # noqa: SLF001
_HOPELESS: Final = {KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.UNKNOWN_TOPIC_OR_PART}

_EARLIEST, _LATEST = OffsetSpec.earliest(), OffsetSpec.latest()  # type: ignore[no-untyped-call]

T = TypeVar("T")


class KafkaDown(Exception):
    """Kafka does not answer, or refuses; the message says what it said."""


class Span(NamedTuple):
    """What a partition holds: its first offset, the one after its last, and its topic's id."""

    first: int
    end: int
    topic_id: str


class Record(NamedTuple):
    """A record, or news of its partition.

    Attributes:
        offset: its own; of the end of a partition: where it is.
        key: None where there is none.
        value: None of a tombstone.
        headers: mostly none.
        written_ms: when it was written, in epoch ms.
        is_end: there is no record: the partition was read to its end.
        is_unreadable: there is nothing but its place.
    """

    place: Place
    offset: int
    key: bytes | None = None
    value: bytes | None = None
    headers: Sequence[tuple[str, bytes]] = ()
    written_ms: int = 0
    is_end: bool = False
    is_unreadable: bool = False


class Source:
    """Reads topics. Every call may raise KafkaDown."""

    def __init__(self, config: Mapping[str, Any], topics: Sequence[str]) -> None:
        """Prepare; nothing is asked yet.

        Args:
            config: of a client of Kafka.
            topics: that are read.
        """
        self._topics = topics
        self._consumer = Consumer({**config, **_CONFIG})
        self._admin = AdminClient({**config})
        self._at: dict[Place, int] = {}  # the next record of each partition that is read
        self._sought: set[Place] = set()  # in the current batch of messages

    def close(self) -> None:
        """Leave Kafka."""
        self._consumer.close()

    def survey(self) -> dict[Place, Span]:
        """Return what each partition of the topics holds; a topic that is not there has none."""
        described = self._admin.describe_topics(TopicCollection([*self._topics]), request_timeout=_ANSWER_S)
        ids: dict[Place, str] = {}
        for name, future in described.items():
            try:
                topic = _answer(future.result)
            except _Missing:
                continue
            ids |= {(name, partition.id): str(topic.topic_id) for partition in topic.partitions}
        firsts, ends = (self._offsets(ids, which) for which in (_EARLIEST, _LATEST))
        return {place: Span(firsts[place], ends[place], ids[place]) for place in ids}

    def read_from(self, offsets: Mapping[Place, int]) -> None:
        """Read these partitions, each from an offset; those of before no more."""
        places = [TopicPartition(topic, partition, offset) for (topic, partition), offset in offsets.items()]
        _answer(lambda: self._consumer.assign(places))
        self._at = dict(offsets)

    def take(self, most: int, wait_s: float) -> Iterator[Record]:
        """Yield what there is, at most so many records, after waiting for so many no longer than this."""
        self._sought.clear()
        for message in _answer(lambda: self._consumer.consume(most, wait_s)):
            if (record := self._record(message)) is not None:
                yield record

    def _record(self, message: Message) -> Record | None:
        error, offset = message.error(), message.offset()
        place = cast("str", message.topic()), cast("int", message.partition())
        if error is not None and (error.fatal() or error.code() in _HOPELESS):
            raise KafkaDown(error.str())
        # After a seek the rest of the batch is of an earlier fetch, which may report the same error twice.
        if place in self._sought:
            return None
        if error is None:
            value, key = message.value(), message.key()
            headers = () if value is not None else _headers(message)
            self._at[place] = cast("int", offset) + 1
            return Record(place, cast("int", offset), key, value, headers, message.timestamp()[1])
        if offset is None or offset < 0:
            return None
        if error.code() == _UNREADABLE:
            return self._pass_over(place, offset)
        return Record(place, offset, is_end=True) if error.code() == _END else None

    def _pass_over(self, place: Place, offset: int) -> Record:
        """Go on after a record that cannot be decompressed.

        The driver names the first offset of the record's batch, each time: they are passed over one after the other.
        """
        offset = max(offset, self._at.get(place, 0))
        self._at[place] = offset + 1
        _answer(lambda: self._consumer.seek(TopicPartition(*place, offset + 1)))
        self._sought.add(place)
        return Record(place, offset, is_unreadable=True)

    def _offsets(self, places: Iterable[Place], which: OffsetSpec) -> dict[Place, int]:
        asked = {TopicPartition(*place): which for place in places}
        if not asked:
            return {}
        found = self._admin.list_offsets(
            asked, isolation_level=IsolationLevel.READ_COMMITTED, request_timeout=_ANSWER_S
        )
        return {(each.topic, each.partition): _answer(future.result).offset for each, future in found.items()}


class _Missing(KafkaDown):
    """There is no such topic, or not yet."""


def _answer(ask: Callable[[], T]) -> T:
    try:
        return ask()
    except KafkaException as error:
        kind = _Missing if error.args[0].code() == KafkaError.UNKNOWN_TOPIC_OR_PART else KafkaDown
        raise kind(error.args[0].str()) from error


def _headers(message: Message) -> Sequence[tuple[str, bytes]]:
    try:
        found = cast("list[tuple[str, bytes | None]]", message.headers() or [])
        return tuple((name, value) for name, value in found if isinstance(value, bytes))
    except (SystemError, UnicodeDecodeError):  # names that are not UTF-8: somebody else's
        return ()
