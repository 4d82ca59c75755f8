"""A Kafka that may be killed: one node and three."""

import time
import uuid
from collections.abc import Callable
from contextlib import suppress

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from daymark.local import tools
from daymark.local.kafka import Kafka
from daymark.local.kit import Kit
from tests.flows import wait_until

Start = Callable[..., Kafka]
TOPIC = "numbers"


def make_topic(cluster: Kafka) -> None:
    """Make it once all nodes are there: copies on one that is slow to say so are refused for a moment."""
    admin = AdminClient({"bootstrap.servers": cluster.bootstrap, "log_level": 0})

    def made() -> bool:
        try:
            admin.create_topics([NewTopic(TOPIC, 1)])[TOPIC].result(60)
        except KafkaException as error:
            return bool(error.args[0].code() == KafkaError.TOPIC_ALREADY_EXISTS)
        return True

    wait_until(made, "the topic is made", every_s=0.2)


def send(cluster: Kafka, values: list[bytes]) -> None:
    """Send in one transaction and return when its end is in the log, which comes some ms after its acknowledgement.

    Kafka 4.3.1 that loses a partition's only replica between the two takes the partition for deleted when it is back,
    calls the transaction complete and leaves it open there: see docs/guarantee.md.
    """
    config = {"bootstrap.servers": cluster.bootstrap, "transactional.id": uuid.uuid4().hex}
    with Producer(config) as producer:
        producer.init_transactions(60)
        producer.begin_transaction()
        for value in values:
            producer.produce(TOPIC, value)
        producer.commit_transaction(60)
    deadline = time.monotonic() + 120
    while not _has_ended(cluster):
        assert time.monotonic() < deadline, "the transaction does not end"


def _has_ended(cluster: Kafka) -> bool:
    with suppress(KafkaException):  # after a kill nobody may know the partition's leader for a moment
        return _end(cluster, "read_committed") == _end(cluster, "read_uncommitted")
    return False


def _end(cluster: Kafka, isolation_level: str) -> int:
    config = {"bootstrap.servers": cluster.bootstrap, "group.id": "unused", "isolation.level": isolation_level}
    with Consumer(config) as consumer:
        _, end = consumer.get_watermark_offsets(TopicPartition(TOPIC, 0), 10, cached=False)
        return int(end)


def read(cluster: Kafka, count: int) -> list[bytes | None]:
    config = {"bootstrap.servers": cluster.bootstrap, "group.id": "unused", "isolation.level": "read_committed"}
    with Consumer(config) as consumer:
        consumer.assign([TopicPartition(TOPIC, 0, 0)])
        messages: list[Message] = []
        errors: list[str] = []
        for _ in range(120):
            came = consumer.consume(count - len(messages), 1)
            errors += [str(message.error()) for message in came if message.error()]
            messages += [message for message in came if not message.error()]
            if len(messages) == count:
                break
        else:
            raise AssertionError(f"{len(messages)} of {count} records, errors {errors}")
        return [message.value() for message in messages]


def test_transactions_outlive_kill_and_stop(kafka_cluster: Start, kit: Kit) -> None:
    """What one node has acknowledged is there after SIGKILL, and after a stop, under the same address."""
    cluster = kafka_cluster()
    make_topic(cluster)
    send(cluster, [b"1", b"2"])
    cluster.kill()
    assert cluster.dead_nodes == [1]
    cluster.start()
    assert read(cluster, 2) == [b"1", b"2"]
    send(cluster, [b"3"])
    cluster.stop()
    cluster.start()
    assert read(cluster, 3) == [b"1", b"2", b"3"]
    shown = tools.run(kit, "kafka-topics", "--bootstrap-server", cluster.bootstrap, "--list")
    assert TOPIC in shown.stdout.split(), shown.stderr


def test_three_nodes_work_on_without_one(kafka_cluster: Start) -> None:
    """With one of three nodes killed, records are taken and read; the node comes back."""
    cluster = kafka_cluster(nodes=3)
    make_topic(cluster)
    send(cluster, [b"1"])
    cluster.kill(2)
    send(cluster, [b"2"])
    assert read(cluster, 2) == [b"1", b"2"]
    cluster.start()
    assert not cluster.dead
    assert read(cluster, 2) == [b"1", b"2"]
