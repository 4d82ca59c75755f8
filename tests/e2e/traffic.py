"""A load for docker-compose.yml, and how long its interactions stood still."""

import threading
import time
from collections import defaultdict
from itertools import pairwise
from typing import Final

import httpx
from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

from schemas.topics import PARTITIONS, Topics
from tests.e2e.compose import KEY, Compose

_BATCH: Final = 40  # events a request: nearly every partition gets one
_PAUSE_S: Final = 0.05  # between two requests
_AGAIN_S: Final = 0.1


class Sender(threading.Thread):
    """Sends batches of identifies, each of a new contact; what is not answered 200 is sent again."""

    def __init__(self, compose: Compose) -> None:
        super().__init__(daemon=True)
        self.sent = self.repeated = 0  # events that were answered 200; requests
        self.goes = threading.Event()
        self._leaves = threading.Event()
        self._client = httpx.Client(
            auth=(KEY, ""), base_url=f"http://127.0.0.1:{compose.port}", trust_env=False, timeout=10
        )

    def run(self) -> None:
        while not self._leaves.is_set():
            if not self.goes.wait(_AGAIN_S):
                continue
            if self._is_taken():
                self.sent += _BATCH
                time.sleep(_PAUSE_S)
            else:
                self.repeated += 1
                time.sleep(_AGAIN_S)
        self._client.close()

    def leave(self) -> None:
        self._leaves.set()
        self.join()

    def _is_taken(self) -> bool:
        emails = [f"contact-{self.sent + number}@example.org" for number in range(_BATCH)]
        events = [{"type": "identify", "timestamp": "2026-11-30T12:00:00Z", "email": email} for email in emails]
        try:
            return self._client.post("/v1/batch", json={"batch": events}).status_code == httpx.codes.OK
        except httpx.HTTPError:
            return False


class Watch(threading.Thread):
    """When interactions became visible, by partition."""

    def __init__(self, compose: Compose) -> None:
        super().__init__(daemon=True)
        self._seen: dict[int, list[float]] = defaultdict(list)
        self._leaves = threading.Event()
        self._consumer = Consumer(
            {
                "bootstrap.servers": f"127.0.0.1:{compose.kafka_port}",
                "group.id": "watch",  # not joined: whoever comes back to it sees everything again, as if it were new
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
                "reconnect.backoff.max.ms": 500,
                "log_level": 0,
            }
        )
        topic = Topics().interactions
        self._consumer.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for number in range(PARTITIONS)])

    def run(self) -> None:
        while not self._leaves.is_set():
            for message in self._consumer.consume(1000, 0.05):
                partition = message.partition()
                if message.error() is None and partition is not None:
                    self._seen[partition].append(time.monotonic())
        self._consumer.close()

    def leave(self) -> None:
        self._leaves.set()
        self.join()

    def count(self) -> int:
        """Return how many interactions were seen."""
        return sum(map(len, self._seen.values()))

    def longest_gap_s(self, since: float, until: float) -> float:
        """Return the longest time without an interaction in any one partition, between two instants."""
        gaps = [0.0]
        for times in list(self._seen.values()):
            before = max((one for one in times if one <= since), default=since)
            within = [before, *(one for one in times if since < one <= until), until]
            gaps += [after - one for one, after in pairwise(within)]
        return max(gaps)
