"""What Kafka says of a worker's topics: whether they are there and fit each other, and what lengths they take.

The fourth import of confluent_kafka here. Asks, and changes nothing. The group is joined only after `check`.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, wait
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient

from processor import incarnation
from processor.errors import Fatal, KafkaAway, classify, describe
from processor.outputs import ROOM_BYTES
from processor.troubles import Troubles
from schemas.topics import Topics, batch_bytes

_ANSWER_S: Final = 2.0
_LOOK_S: Final = 0.1


class TopicAdmin:
    """Asks about the topics that a worker reads and writes.

    Args:
        config: of the client of Kafka.
        topics: that are asked about.
        is_told: whether the worker is to leave: no answer is waited for then.
        read_limits: returns the `max.message.bytes` of each of some topics that says it.
        has_lane: whether segment.backfill is read, too.
    """

    def __init__(
        self,
        config: dict[str, Any],
        topics: Topics,
        is_told: Callable[[], bool],
        read_limits: Callable[[AdminClient, Sequence[str]], Mapping[str, int]],
        *,
        has_lane: bool = False,
    ) -> None:
        self._has_lane = has_lane
        self._topics, self._is_told, self._troubles = topics, is_told, Troubles("admin")
        self._read_limits = read_limits
        self._refusal: KafkaError | None = None  # that the last question met; a client only says that it timed out
        self.room_bytes = ROOM_BYTES  # of a rejection
        self._admin = AdminClient(config | {"error_cb": self._on_error})

    def check(self) -> None:
        """See that the topics are there, and that a result's partition is there for each raw record's.

        Raises:
            KafkaAway: a topic is missing, or nobody answers; both can change.
            Fatal: the partitions do not match, or Kafka refuses us.
        """
        topics = self._topics
        lane = [topics.backfill] if self._has_lane else []
        found = self._describe(topics.events, topics.interactions, topics.traits, topics.rejected, *lane)
        partitions = {name: len(topic.partitions) for name, topic in found.items()}
        events = partitions[topics.events]
        for name in (topics.interactions, topics.traits):
            if partitions[name] < events:
                raise Fatal(
                    f"{name} has {partitions[name]} partitions, {topics.events} has {events}: "
                    "a result goes to its raw record's partition; `daymark topics` says what differs"
                )
        if lane and partitions[topics.backfill] != events:
            raise Fatal(
                f"{topics.backfill} has {partitions[topics.backfill]} partitions, {topics.events} has {events}: "
                "a contact's events must be in the same partition of both; `daymark topics` says what differs, "
                "DAYMARK_BACKFILL_LANE=off goes on without"
            )

    def batch_bytes(self) -> int | None:
        """Return how large batches may be, by the topics' limits; None: nobody says."""
        topics = self._topics
        found = self._read_limits(self._admin, (topics.interactions, topics.traits, topics.rejected))
        if topics.rejected in found:
            self.room_bytes = min(ROOM_BYTES, batch_bytes([found[topics.rejected]]))
        return batch_bytes(found.values()) if found else None

    def mark(self) -> bytes | None:
        """Return four bytes that identify the incarnation of the raw topic; None while nobody answers."""
        return self._mark(self._topics.events)

    def backfill_mark(self) -> bytes | None:
        """Return the mark of segment.backfill, as `mark` does of the raw topic."""
        return self._mark(self._topics.backfill)

    def _mark(self, topic: str) -> bytes | None:
        try:
            return incarnation.mark(self._describe(topic)[topic].topic_id)
        except KafkaAway:
            return None

    def _describe(self, *names: str) -> dict[str, Any]:
        self._refusal = None
        asked = self._admin.describe_topics(TopicCollection(list(names)), request_timeout=_ANSWER_S)
        return {name: self._described(name, asked[name]) for name in names}

    def _described(self, name: str, answer: Future[Any]) -> Any:
        while not wait([answer], _LOOK_S).done:
            if self._is_told():
                raise KafkaAway(f"{name} is not checked: the worker is stopping")
        try:
            return answer.result()
        except KafkaException as error:
            fault = error.args[0]
            self._troubles.note(fault)
        finally:
            self._admin.poll(0)  # serves `_on_error`
        if self._refusal is not None or classify(fault.name()) is Fatal:
            refusal = self._refusal or fault
            right = "Read" if name in {self._topics.events, self._topics.backfill} else "Write"
            raise Fatal(describe(refusal.name(), refusal.str(), topic=name, right=right))
        advice = "; `daymark topics` creates it" if fault.code() == KafkaError.UNKNOWN_TOPIC_OR_PART else ""
        raise KafkaAway(f"{name} cannot be checked: {fault.str()}{advice}")

    def _on_error(self, error: KafkaError) -> None:
        self._troubles.note(error)
        if classify(error.name()) is Fatal:
            self._refusal = error
