"""A request of one transaction arrives during the next, as a middlebox or a receive buffer can bring it about.

A real broker, the worker's own loop and the driver; a trap catches one request and delivers it where it would hurt.
"""

import threading
from collections.abc import Iterator

import pytest
from confluent_kafka import Consumer, TopicPartition

from daymark import timeouts
from processor.breaker import Breaker
from processor.connections import Connections
from processor.outputs import Codecs
from processor.ports import Session
from processor.records import Batch
from processor.sink import Sink
from processor.source import Source
from processor.worker import Worker
from schemas import avro
from schemas.topics import Topics
from schemas.workspace import Workspaces
from tests.fakes import FakeClaims
from tests.faults import frames
from tests.faults.frames import Api
from tests.faults.ground import bootstrap
from tests.faults.proxy import Proxy
from tests.faults.traps import Act, Trap, Traps
from tests.flows import Road, log_end, visit, wait_until

CONTACTS = 40
TRANSACTION_MS = 15_000
REFUSED = (47, 90)  # INVALID_PRODUCER_EPOCH, PRODUCER_FENCED
_GENERATION = slice(7, 11)  # of group metadata as they are written down: behind "CGMDv2:"


class RefusedOnce(Source):
    """A member of the group one batch of which the group will refuse, as it does after a rebalance."""

    refuses = False

    def next_batch(self) -> Batch | None:
        batch = super().next_batch()
        if batch is None or not self.refuses:
            return batch
        self.refuses = False
        return Batch(batch.records, _older(batch.membership), batch.incarnation, batch.assignment)


def _older(membership: bytes) -> bytes:
    """Return the same membership in a generation of before."""
    return membership[: _GENERATION.start] + bytes(4) + membership[_GENERATION.stop :]


class Scene:
    """A worker on a thread; between its producer and Kafka there are traps."""

    def __init__(self, proxy: Proxy, road: Road) -> None:
        self.traps = Traps()
        links = proxy.open_cluster(road.kafka, self.traps)
        if not links:
            pytest.skip("single requests are caught on the way to a Kafka on this machine only")
        self.sources: list[RefusedOnce] = []
        self._proxy, self._road = proxy, road
        self._kafka_of_producer = bootstrap(links)
        self._claims, self._days = FakeClaims(), 0
        self.start()

    def start(self) -> None:
        """Start a worker; claims are as the last one left them."""
        self._worker = Worker(
            self._open,
            self._claims,
            workspaces=Workspaces,
            topics=self._road.topics,
            codecs=Codecs(avro.INTERACTION, avro.TRAIT, avro.REJECTED),
            breaker=Breaker(100, 1),
        )
        self._thread = threading.Thread(target=self._worker.run, daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Let go of what waits, and stop the worker."""
        self._proxy.tell(self.traps.clear)
        self._worker.stop()
        self._thread.join(60)

    def visit(self) -> None:
        """Send an event of each contact on a new day, and wait until they are committed."""
        self._days += 1
        self._road.send(visit(contact, self._days) for contact in range(CONTACTS))
        self._road.wait_settled()

    def catch(self, api: Api, act: Act = Act.RESET) -> Trap:
        """Catch one request of the next visit."""
        trap = Trap(api, act)
        self.traps.set(trap)
        self.visit()
        wait_until(trap.caught.is_set, "the request is caught")
        self._road.wait_settled()
        return trap

    def deliver(self, late: Trap) -> int:
        """Let what was caught arrive now, and return the error code that answers it."""
        self._proxy.start(late.release())
        wait_until(late.delivered.is_set, "the late request is answered")
        return frames.error(late.api, late.answer)

    def release(self, pause: Trap) -> None:
        """Let what only waits go on."""
        self._proxy.start(pause.release())

    def written(self) -> int:
        """Return how many records there are of results, committed or not, and of ends of transactions."""
        topic = self._road.topics.interactions
        consumer = Consumer(
            {"bootstrap.servers": self._road.kafka, "group.id": "none", "isolation.level": "read_uncommitted"}
        )
        try:
            partitions = consumer.list_topics(topic, 10).topics[topic].partitions
            return sum(log_end(consumer, TopicPartition(topic, partition)) for partition in partitions)
        finally:
            consumer.close()

    def counts(self) -> tuple[int, int]:
        """Return how many contact-days have no interaction, and how many interactions are one too many."""
        found = [(fields["email"], fields["day"]) for fields in self._road.interactions()]
        return CONTACTS * self._days - len(set(found)), len(found) - len(set(found))

    def _open(self) -> Session:
        producer = {
            "bootstrap.servers": self._kafka_of_producer,
            "transactional.id": self._road.group,
            "transaction.timeout.ms": TRANSACTION_MS,
            "socket.timeout.ms": timeouts.socket_ms(TRANSACTION_MS, {}),
        }
        member = {
            "bootstrap.servers": self._road.kafka,
            "group.id": self._road.group,
            "partition.assignment.strategy": "cooperative-sticky",
            "session.timeout.ms": 6000,
            "heartbeat.interval.ms": 300,
        }
        sink = Sink(producer, self._road.topics.events, timeouts.budget_ms(TRANSACTION_MS) / 1000)
        self.sources.append(RefusedOnce(member, self._road.topics.events, 10_000, lambda: b"mark"))
        self.sources[-1].join()
        return Session(self.sources[-1], sink)


@pytest.fixture
def scene(kafka: str, topics: Topics) -> Iterator[Scene]:
    with Proxy.running() as proxy:
        made = Scene(proxy, Road(kafka, "redis://unused", topics, b"k" * 16))
        made.visit()
        yield made
        made.end()


def arrives(scene: Scene, late: Trap, before: Api) -> int:
    """Let what was caught arrive during the next visit, just before its first request of an API; return the error."""
    pause, before_visit = Trap(before, Act.DELAY), scene.written()
    scene.traps.set(pause)
    visiting = threading.Thread(target=scene.visit)
    visiting.start()
    wait_until(pause.caught.is_set, "the next transaction is under way")
    if before is not Api.ADD_OFFSETS_TO_TXN:  # behind which partitions of results wait to be added
        wait_until(lambda: scene.written() > before_visit, "results are written")
    error = scene.deliver(late)
    scene.release(pause)
    visiting.join()
    return error


@pytest.mark.parametrize("before", [Api.ADD_OFFSETS_TO_TXN, Api.TXN_OFFSET_COMMIT, Api.END_TXN])
@pytest.mark.parametrize("refuses", [False, True], ids=["commit", "abort"])
def test_a_late_end_ends_no_later_transaction(scene: Scene, refuses: bool, before: Api) -> None:  # noqa: FBT001
    """Its connection was reset, the driver repeated it at once, and the first one comes during the next batch.

    An abort follows where the group has refused a batch.
    """
    scene.sources[-1].refuses = refuses
    late = scene.catch(Api.END_TXN)
    assert arrives(scene, late, before) in REFUSED
    assert scene.counts() == (0, 0)


def test_late_offsets_move_nothing_back(scene: Scene) -> None:
    """They would take the place of the next transaction's: what it had done was done again after a new start."""
    late = scene.catch(Api.TXN_OFFSET_COMMIT)
    assert arrives(scene, late, Api.END_TXN) in REFUSED
    scene.end()
    scene.start()
    scene.visit()
    assert scene.counts() == (0, 0)


@pytest.mark.parametrize("api", [Api.ADD_PARTITIONS_TO_TXN, Api.ADD_OFFSETS_TO_TXN])
def test_partitions_that_are_added_late_are_refused(scene: Scene, api: Api) -> None:
    late = scene.catch(api)
    assert arrives(scene, late, Api.END_TXN) in REFUSED
    assert scene.counts() == (0, 0)


@pytest.mark.timeout(600)
def test_an_end_without_an_answer_is_given_up_before_it_is_repeated(scene: Scene) -> None:
    """Nothing passes on its connection any more: a new session follows before the driver's own time-out."""
    late = Trap(Api.END_TXN, Act.HOLD)
    scene.traps.set(late)
    scene.visit()
    assert len(scene.sources) == 2
    assert scene.deliver(late) in REFUSED
    scene.visit()
    assert scene.counts() == (0, 0)


def test_kafka_takes_a_late_request_of_the_same_epoch(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """What makes a new epoch necessary. When this fails, the driver has learnt KIP-890: docs/late-requests.md."""
    monkeypatch.setattr(Connections, "log", lambda *_: None)
    late = scene.catch(Api.END_TXN)
    assert arrives(scene, late, Api.ADD_OFFSETS_TO_TXN) == 0
