"""The steps of end-to-end tests: send raw events, run workers, read what was committed."""

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from confluent_kafka import Consumer, KafkaException, Message, Producer, TopicPartition

from schemas import avro
from schemas.rejections import Rejection
from schemas.topics import PARTITIONER, Topics
from tests import committed, discretion

DEADLINE_S = 120.0  # of any wait: far more than it takes, since a busy machine may be ten times slower
DAYMARK = (sys.executable, "-m", "daymark")


class Committed(NamedTuple):
    """A record as a reader of committed records sees it."""

    partition: int
    offset: int
    key: bytes
    value: bytes
    headers: tuple[tuple[str, str | bytes | None], ...] = ()

    @property
    def fields(self) -> dict[str, Any]:
        return avro.decode(self.value)[1]


class Road:
    """One Daymark on shared parts: its topics, its group, its claims."""

    daymark: tuple[str, ...] = DAYMARK  # whose commands are run

    def __init__(self, kafka: str, redis_url: str, topics: Topics, claim_key: bytes) -> None:
        self.kafka, self.topics, self.group = kafka, topics, f"{topics.prefix}workers"
        self.environment = {
            **{name: text for name, text in os.environ.items() if not name.startswith("DAYMARK_")},
            "DAYMARK_KAFKA": kafka,
            "DAYMARK_REDIS": redis_url,
            "DAYMARK_TOPIC_PREFIX": topics.prefix,
            "DAYMARK_GROUP": self.group,
            "DAYMARK_CLAIM_KEY": claim_key.hex(),
            "DAYMARK_ADMIN": "127.0.0.1:0",
            "DAYMARK_DRAIN_S": "0",
            "DAYMARK_SESSION_TIMEOUT_MS": "6000",
            "DAYMARK_MEMBERSHIP": "dynamic",  # who leaves gives up its partitions at once
        }

    def send(self, events: Iterable[tuple[str | None, bytes]], workspace: str = "w", topic: str | None = None) -> None:
        """Publish (contact, body) pairs as ingest would, or to another topic, and wait until they are there."""
        producer = Producer(
            {
                "bootstrap.servers": self.kafka,
                "partitioner": PARTITIONER,
                "acks": "all",
                "max.in.flight": 1,  # in order; an idempotent producer takes half a second until it begins
                "linger.ms": 20,
                "log_level": 0,  # what could not be sent fails below; the end of a Kafka needs no comment
            }
        )
        for contact, body in events:
            headers: list[tuple[str, str | bytes | None]] = [("workspace", workspace), ("received_at", str(_now_ms()))]
            while True:
                try:
                    producer.produce(topic or self.topics.events, body, contact, headers=headers)
                    break
                except BufferError:
                    producer.poll(0.1)
        assert producer.flush(DEADLINE_S) == 0

    def refuse(self, raws: Iterable[bytes], rejection: Rejection, workspace: str = "w") -> None:
        """Record rejections as ingest does: they know of no partition and no offset."""
        producer = Producer({"bootstrap.servers": self.kafka, "log_level": 0})
        for raw in raws:
            said = str(rejection.reason), rejection.message, "ingest", workspace, raw, _now_ms(), None, None
            producer.produce(self.topics.rejected, avro.REJECTED.pack(*said), b"")
        assert producer.flush(DEADLINE_S) == 0

    def committed(self, topic: str) -> list[Committed]:
        """Return what a reader with isolation.level=read_committed finds in a topic now."""
        return [_committed(message) for message in committed.messages(self.kafka, topic)]

    def interactions(self) -> list[dict[str, Any]]:
        return [record.fields for record in self.committed(self.topics.interactions)]

    def rejections(self) -> list[dict[str, Any]]:
        return [record.fields for record in self.committed(self.topics.rejected)]

    def lag(self, topic: str | None = None) -> int:
        """Return how many raw records the group has still to commit, of live ones unless another topic is named."""
        topic = topic or self.topics.events
        consumer = Consumer({"bootstrap.servers": self.kafka, "group.id": self.group})
        try:
            partitions = list(consumer.list_topics(topic, 10).topics[topic].partitions)
            found = consumer.committed([TopicPartition(topic, partition) for partition in partitions], 20)
            return sum(log_end(consumer, place) - max(place.offset, 0) for place in found)
        finally:
            consumer.close()

    def wait_settled(self) -> None:
        """Wait until everything is committed."""

        def settled() -> bool:
            try:
                return self.lag() == 0
            except KafkaException:  # a coordinator on its way
                return False

        wait_until(settled, "the group has committed everything", every_s=0.2)

    @contextmanager
    def worker(self, slot: str = "0", **settings: str) -> Iterator["Process"]:
        """Run a worker in a separate process; it is stopped by SIGTERM in the end if it still runs."""
        process = self.start("process", DAYMARK_SLOT=f"{self.topics.prefix}{slot}", **settings)
        try:
            yield process
        except BaseException:
            sys.stdout.write(process.said)  # for the report of the failure
            raise
        finally:
            process.end()

    def start(self, *command: str, **settings: str) -> "Process":
        """Start a command of Daymark in this road's environment."""
        return Process([*self.daymark, *command], {**self.environment, **settings})


class Process:
    """A running command; what it says is kept."""

    def __init__(self, command: list[str], environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._output = tempfile.TemporaryFile()  # noqa: SIM115  closed at its end; a pipe would fill and block it
        self._process = subprocess.Popen(
            command,
            env=dict(environment),
            stdout=self._output,
            stderr=subprocess.STDOUT,
            cwd=Path(__file__).parent.parent,
        )
        self._said = b""

    @property
    def said(self) -> str:
        """Everything said so far."""
        if not self._output.closed:
            self._said = os.pread(self._output.fileno(), 1 << 26, 0)
        return self._said.decode()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def status(self) -> int | None:
        """The exit status, None while it runs."""
        return self._process.poll()

    def wait_for(self, pattern: str, deadline_s: float = DEADLINE_S) -> str:
        """Wait until a line that matches is said; return the match."""
        found: list[str] = []

        def look() -> bool:
            match = re.search(pattern, self.said)
            found[:] = [match[0]] if match else []
            assert match or self.status is None, f"it ended with {self.status}: {self.said}"
            return bool(match)

        wait_until(look, f"{pattern!r} is said", deadline_s)
        return found[0]

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        self._process.kill()
        self._process.wait(60)
        self._close()

    def wait(self, deadline_s: float = DEADLINE_S) -> int:
        """Wait for its end; return the exit status."""
        wait_until(lambda: self.status is not None, "the command ends", deadline_s)
        status = self._process.wait()
        self._close()
        return status

    def end(self) -> int:
        """SIGTERM, and wait; a command that was ended before keeps its status."""
        if self.status is None:
            self._process.send_signal(signal.SIGCONT)
            self._process.terminate()
        return self.wait(90)

    def readiness(self) -> int:
        """Return the status of a worker's /readyz."""
        try:
            with self._ask("/readyz") as answer:
                status: int = answer.status
        except urllib.error.HTTPError as error:
            return error.code
        return status

    def metrics(self) -> dict[str, float]:
        """Return a worker's metrics, by name and labels as Prometheus writes them."""
        with self._ask("/metrics") as answer:
            lines = answer.read().decode().splitlines()
        return {
            name: float(text) for name, _, text in (line.rpartition(" ") for line in lines if not line.startswith("#"))
        }

    def _ask(self, path: str) -> Any:
        address = json.loads(self.wait_for(r'\{.*"worker\.started".*\}'))["admin"]
        return urllib.request.urlopen(f"http://{address}{path}", timeout=60)

    def _close(self) -> None:
        said = self.said
        self._output.close()
        discretion.check(said, self._environment)


def wait_until(condition: Callable[[], bool], what: str, deadline_s: float = DEADLINE_S, every_s: float = 0.05) -> None:
    """Wait until a condition holds; fail when it does not in time."""
    deadline = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < deadline, f"in {deadline_s} s it did not come true that {what}"
        time.sleep(every_s)


def log_end(consumer: Consumer, place: TopicPartition) -> int:
    """Return where the next record of a partition will be. One just made has no leader for a moment: ask again."""
    found: list[int] = []

    def answers() -> bool:
        try:
            found[:] = [consumer.get_watermark_offsets(place, 10, cached=False)[1]]
        except KafkaException:
            return False
        return True

    wait_until(answers, f"the end of {place.topic} {place.partition} is told")
    return found[0]


def visit(contact: int, day: int = 1, name: str = "visit") -> tuple[str, bytes]:
    """Return a contact's e-mail and an identify of one day of May 2020."""
    email = f"contact-{contact}@example.org"
    timestamp = f"2020-05-{day:02}T12:00:00.000Z"
    return email, json.dumps(
        {"type": "identify", "timestamp": timestamp, "traits": {"email": email}, "event": name}
    ).encode()


def twice(interactions: Iterable[dict[str, Any]]) -> dict[tuple[str, Any], int]:
    """Return the contact-days with more than one interaction."""
    counts = Counter((interaction["email"], interaction["day"]) for interaction in interactions)
    return {contact_day: count for contact_day, count in counts.items() if count > 1}


def _now_ms() -> int:
    return int(time.time() * 1000)


def _committed(message: Message) -> Committed:
    partition, offset, key, value = message.partition(), message.offset(), message.key(), message.value()
    assert partition is not None
    assert offset is not None
    return Committed(
        partition, offset, bytes(key or b""), bytes(value or b""), tuple(dict(message.headers() or ()).items())
    )
