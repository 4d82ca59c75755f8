"""The only place in ingest that knows Kafka: one idempotent producer per process.

Owns delivery and its deadline, back-pressure, and whether Kafka is reachable. Knows nothing of HTTP. The producer is
polled from the event loop while anything is in flight: callbacks run on the loop, and complete requests in bulk.
Invariants: DELIVERED means that every in-sync replica has every record; the queue stays within its bounds.
"""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import structlog
from confluent_kafka import KafkaError, KafkaException, Producer

from ingest.batch_size import BatchSize, Limits
from ingest.delivery import Done, Outcome, Readiness, Record
from ingest.metrics import Metrics
from ingest.quota import Quota
from ingest.trouble import Trouble
from ingest.waves import Waiter, Waves
from schemas.headers import Headers
from schemas.topics import BATCH_BYTES, PARTITIONER, Topics

log = structlog.get_logger()

MOST_MESSAGES: Final = 50_000
MOST_BYTES: Final = 64 * 1024 * 1024

# A record is given up before the request that brought it is: 503 at 4.5 s, then nothing of it stays queued for long.
_OPTIONS: Final[Mapping[str, Any]] = {
    "enable.idempotence": True,
    "acks": "all",
    "compression.type": "lz4",
    "linger.ms": 2,  # the least latency of an answer; more saves little at the rates of one process
    "message.timeout.ms": 4_000,
    "partitioner": PARTITIONER,
    # Never reached: the bounds above come first, so that half a batch is never published.
    "queue.buffering.max.messages": 4 * MOST_MESSAGES,
    "queue.buffering.max.kbytes": 4 * MOST_BYTES // 1024,
    "reconnect.backoff.max.ms": 1_000,  # ready again soon after Kafka is
}

_POLL_SECONDS, _IDLE_POLL_SECONDS = 0.001, 0.01
_QUIET_POLLS = 50  # polls without a callback after which they become rarer: Kafka is slow or away
_SWEEP_SECONDS = 0.1
_SAY_AGAIN_SECONDS = 10.0
_LOOK_SECONDS, _LOOK_AGAIN_SECONDS, _LOOK_TIMEOUT_SECONDS = 3.0, 0.5, 2.0


class BadOptions(Exception):
    """librdkafka refuses its configuration; the text says which option, never its value."""


class Publisher:
    """Publishes events and rejections. Must be created in the process, and within the event loop, that uses it.

    Args:
        client: librdkafka's options of the connection.
        topics: where to publish.
        metrics: what to count in.
        most_messages: that may be queued.
        limits: queries the topics' `max.message.bytes`, in a separate thread.

    Raises:
        BadOptions: the client's options are not librdkafka's.
    """

    def __init__(
        self,
        client: Mapping[str, Any],
        topics: Topics,
        metrics: Metrics,
        most_messages: int = MOST_MESSAGES,
        *,
        limits: Limits = lambda: (),
    ) -> None:
        self._topics, self._metrics = topics, metrics
        self._queue = Quota(most_messages, MOST_BYTES)
        self._loop = asyncio.get_running_loop()
        self._waiters: set[Waiter] = set()
        self._waves = Waves(self._loop.time)
        self._ended: list[tuple[Waiter, Outcome]] = []
        self._polling, self._quiet, self._swept = False, 0, 0.0
        self._soon: asyncio.Handle | None = None
        self._trouble = Trouble()
        self._refused_at: dict[str, float] = {}  # when it is said again that a topic may not be written
        self._seen = False  # until the topics were seen once, producing could make the broker create them, wrongly
        self.failure: str | None = None
        self.readiness = Readiness(ready=False, reason="Kafka has not been asked yet")
        self._options, self._limits = {**client, **_OPTIONS, "error_cb": self._erred}, limits
        self._retired: list[Producer] = []  # made larger batches; they finish what they have
        try:
            self._batch_size = BatchSize(int(client.get("batch.size", BATCH_BYTES)))
            self._producer = self._made()
        except KafkaException as error:
            raise BadOptions(error.args[0].str()) from None
        self._executor = ThreadPoolExecutor(1, "kafka-look")
        self._watching = self._loop.create_task(self._watch())
        metrics.queue_messages.set_function(lambda: self._queue.count)
        metrics.queue_bytes.set_function(lambda: self._queue.size)

    def _made(self) -> Producer:
        return Producer({**self._options, "batch.size": self._batch_size.bytes})

    def has_room(self, workspace: str) -> bool:
        """As the port says."""
        return self._queue.fits(workspace, 1, 1)

    def reserve(self, workspace: str, messages: int, size: int) -> bool:
        """As the port says. An empty queue takes any."""
        fits = not self._queue.count or self._queue.fits(workspace, messages, size)
        if fits:
            self._queue.take(workspace, messages, size)
        return fits

    def release(self, workspace: str, messages: int, size: int) -> None:
        """As the port says."""
        self._queue.give(workspace, messages, size)

    def publish(self, workspace: str, records: Sequence[Record], headers: Headers, deadline: float, done: Done) -> None:
        """As the port says."""
        waiter = self._waiter(self._topics.events, workspace, records, deadline, done)
        if not self._seen:
            done(Outcome.UNREADY)
        elif self._fits(waiter, part=1):
            self._waiters.add(waiter)
            self._depart(waiter, records, headers)
        else:
            done(Outcome.FULL)

    def reject(self, workspace: str, values: Sequence[bytes]) -> None:
        """As the port says."""
        records = [(b"", value) for value in values]
        waiter = self._waiter(self._topics.rejected, workspace, records, 0, None)
        if self._seen and self._fits(waiter, part=2):
            self._depart(waiter, records, [])
        else:
            self._metrics.rejections_dropped += len(values)

    async def close(self, seconds: float) -> None:
        """As the port says."""
        deadline = self._loop.time() + seconds
        while self._queue.count and self._loop.time() < deadline:  # noqa: ASYNC110  no event is worth it on the hot path
            await asyncio.sleep(_IDLE_POLL_SECONDS)
        self._watching.cancel()
        self._executor.shutdown(wait=False, cancel_futures=True)
        if self._queue.count:
            log.warning("queue.abandoned", messages=self._queue.count)
            self._producer.purge()

    def _waiter(
        self, topic: str, workspace: str, records: Sequence[Record], deadline: float, done: Done | None
    ) -> Waiter:
        count, size = len(records), 0
        for key, value in records:
            size += len(key) + len(value)
        return Waiter(topic, workspace, count, count, size, deadline, done, self._finish)

    def _fits(self, waiter: Waiter, part: int) -> bool:
        """Whether a request's records go into a part of the queue. An empty queue takes any."""
        return not self._queue.count or self._queue.fits(waiter.workspace, waiter.messages, waiter.size, part)

    def _depart(self, waiter: Waiter, records: Sequence[Record], headers: Headers) -> None:
        """Produce the records of a request now or with the next wave."""
        self._queue.take(waiter.workspace, waiter.messages, waiter.size)
        if self._waves.holds(len(self._producer)):
            self._waves.hold((waiter, records, headers))
        else:
            self._produce(waiter, records, headers)
        if not self._soon:
            self._soon = self._loop.call_soon(self._poll_soon)
        if not self._polling:
            self._polling, self._quiet = True, 0
            self._loop.call_later(_POLL_SECONDS, self._poll)

    def _produce(self, waiter: Waiter, records: Sequence[Record], headers: Headers) -> None:
        produce, topic, delivered, produced = self._producer.produce, waiter.topic, waiter.delivered, 0
        try:
            for key, value in records:
                produce(topic, value, key or None, -1, delivered, None, 0, headers)  # by name, half as long again
                produced += 1
        except (BufferError, KafkaException) as error:
            # Beyond the bounds, or the producer is done for. The rest was never produced: no callback will come.
            waiter.left = produced
            self._finish(waiter, _kafka_error(error))

    def _finish(self, waiter: Waiter, error: KafkaError | None) -> None:
        """Fail a request at its first error; forget it when the last of its records is out of the queue."""
        if error is not None:
            self._metrics.delivery_failures[error.name(),] += 1
            if error.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED:
                self._say_refused(waiter.topic)
            elif error.code() == KafkaError.MSG_SIZE_TOO_LARGE:
                self._batch_size.refuse()
            self._ended.append((waiter, Outcome.FAILED))
        if not waiter.left:
            self._queue.give(waiter.workspace, waiter.messages, waiter.size)
            self._ended.append((waiter, Outcome.DELIVERED))

    def _say_refused(self, topic: str) -> None:
        now = self._loop.time()
        if now >= self._refused_at.get(topic, now):
            self._refused_at[topic] = now + _SAY_AGAIN_SECONDS
            log.error("topic.refused", topic=topic, advice=f"grant Write on topic {topic}")

    def _poll(self) -> None:
        """Poll while anything is in flight."""
        self._quiet = 0 if self._answer() else self._quiet + 1
        now = self._loop.time()
        if now - self._swept > _SWEEP_SECONDS:
            self._swept = now
            self._ended += [(waiter, Outcome.LATE) for waiter in self._waiters if waiter.deadline <= now]
        self._polling = self._queue.count > 0
        if self._polling:
            self._loop.call_later(_POLL_SECONDS if self._quiet < _QUIET_POLLS else _IDLE_POLL_SECONDS, self._poll)

    def _poll_soon(self) -> None:
        """Poll once more, after the callbacks already queued in the loop: under load a timer is late."""
        self._soon = None
        self._answer()

    def _answer(self) -> int:
        """Serve librdkafka's callbacks, answer the waiting requests in bulk, and return the number of callbacks."""
        told = self._producer.poll(0)
        for producer in [*self._retired]:
            told += producer.poll(0)
            if not len(producer):
                self._retired.remove(producer)
        for departure in self._waves.due(len(self._producer)):
            self._produce(*departure)
        ended, self._ended = self._ended, []
        for waiter, outcome in ended:
            done, waiter.done = waiter.done, None
            if done is not None:
                self._waiters.discard(waiter)
                done(outcome)
        return told

    def _erred(self, error: KafkaError) -> None:
        self._trouble.hear(error.name(), error.str())
        if error.fatal():
            log.error("producer.failed", error=error.name())
            self.failure = f"the producer failed: {error.str()}"

    async def _watch(self) -> None:
        while True:
            found = await self._loop.run_in_executor(self._executor, self._look)
            self._producer.poll(0)  # hears of trouble also when nothing is in flight
            readiness = self._judge(found)
            if readiness.ready and self._batch_size.is_doubtful:
                await self._fit()
            if readiness != self.readiness:
                self._turn(readiness)
            await asyncio.sleep(_LOOK_SECONDS if readiness.ready else _LOOK_AGAIN_SECONDS)

    async def _fit(self) -> None:
        """Make batches that the topics take, by a new producer: before the first record, and after a refusal."""
        limits = await self._loop.run_in_executor(self._executor, self._limits)
        if self._batch_size.settle(limits):
            log.warning("batches.smaller", batch_bytes=self._batch_size.bytes)
            self._retired.append(self._producer)
            self._producer = self._made()

    def _look(self) -> Collection[str] | KafkaError:
        """Query all topics: querying one by name could create it. Runs in a separate thread."""
        try:
            return list(self._producer.list_topics(timeout=_LOOK_TIMEOUT_SECONDS).topics)
        except KafkaException as error:
            return error.args[0]  # type: ignore[no-any-return]

    def _judge(self, found: Collection[str] | KafkaError) -> Readiness:
        if isinstance(found, KafkaError):
            return Readiness(ready=False, reason=f"Kafka cannot be reached: {self._trouble.why(found.str())}")
        self._trouble.forget()
        missing = [name for name in (self._topics.events, self._topics.rejected) if name not in found]
        if missing:
            return Readiness(ready=False, reason=f"missing topics: {', '.join(missing)}")
        return Readiness(ready=True, reason="")

    def _turn(self, found: Readiness) -> None:
        if found.ready:
            log.info("kafka.reached")
        elif self.readiness.ready or not self._seen:
            log.warning("kafka.lost", reason=found.reason)
        self._seen = self._seen or found.ready
        self.readiness = found
        self._metrics.kafka_up.set(found.ready)


def _kafka_error(error: BufferError | KafkaException) -> KafkaError:
    return KafkaError(KafkaError._QUEUE_FULL) if isinstance(error, BufferError) else error.args[0]  # noqa: SLF001
