"""What workers and ingest are given to do while they are hurt: events into the topic, and calls of an SDK to ingest.

Both stop on request, after finishing everything they began. `Sender` keeps what was answered 200.
"""

import hashlib
import http.client
import itertools
import re
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Final

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from daymark.simulation import audience, records
from daymark.simulation.audience import Event, Plan
from schemas import headers

TOPIC_WORKSPACE: Final = "load"
HTTP_WORKSPACE: Final = "web"
_KEY: Final = "daymark_faults"
_DAYS, _REPEAT = 3, 3.0
BATCH: Final = 10
_TICK_S = 0.02
_HELD_S = 1.0  # no longer: a partition without a leader must not keep events from the others
_ANSWER_S, _AGAIN_S = 12.0, 0.3
_OK = 200
_MESSAGE_ID = re.compile(rb'"messageId":"([^"]*)"')


def plan(seed: int, events: int, *, invalid: float) -> Plan:
    """Return an audience sync of about so many events, each contact-day three times, spread over all of it."""
    now_ms = int(time.time() * 1000)
    first_day = audience.today(now_ms, None) - timedelta(days=_DAYS - 1)
    contacts = max(1, round(events / (_DAYS * _REPEAT)))
    return Plan(contacts, first_day, now_ms, _DAYS, _REPEAT, retries=0.05, invalid=invalid, seed=seed)


class Stream:
    """Events straight into the topic as ingest puts them there, at a steady rate, from a thread.

    `most` bounds how many are begun; None: the rate alone does.
    """

    def __init__(self, kafka: str, topic: str, rate: float, sync: Plan) -> None:
        self.sent = 0
        self.error: Exception | None = None
        self.most: int | None = None
        self._topic, self._rate = topic, rate
        self._events = audience.events(sync)
        # Longer than any outage: what is begun arrives, once and in its order.
        self._producer = Producer(
            {"bootstrap.servers": kafka, "message.timeout.ms": 600_000, "log_level": 2, **records.CONFIG}
        )
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Begin no more."""
        self._ended.set()

    @property
    def done(self) -> bool:
        """Whether Kafka has all that was begun.

        Raises:
            Exception: what kept it from there.
        """
        if self.error is not None:
            raise self.error
        return not self._thread.is_alive()

    def _run(self) -> None:
        began, begun, produced_at = time.monotonic(), 0, 0.0
        try:
            while not self._ended.wait(_TICK_S):
                self._producer.poll(0)
                # librdkafka's threads poll without a pause while events wait behind an idempotent request.
                if len(self._producer) and time.monotonic() - produced_at < _HELD_S:
                    continue
                produced_at = time.monotonic()
                due = int((time.monotonic() - began) * self._rate)  # a tick that came late is made up for
                due = due if self.most is None else max(begun, min(due, self.most))
                for event in itertools.islice(self._events, due - begun):
                    self._produce(event)
                begun = due
            while self._producer.flush(1):
                pass
        except Exception as error:  # noqa: BLE001  raised again in the thread that waits
            self.error = error

    def _produce(self, event: Event) -> None:
        packed = headers.pack(TOPIC_WORKSPACE, time.time_ns() // 1_000_000)
        while True:
            try:
                return self._producer.produce(
                    self._topic, event.body, event.contact, on_delivery=self._count, headers=packed
                )
            except BufferError:
                self._producer.poll(0.1)

    def _count(self, error: KafkaError | None, _message: Message) -> None:
        if error is None:
            self.sent += 1
        else:
            self.error = KafkaException(error)


class Sender:
    """Batches to ingest as an SDK sends them: the same bytes again until they are answered 200."""

    def __init__(self, addresses: Sequence[str], sync: Plan, threads: int, pause_s: float) -> None:
        self.accepted: list[str] = []
        self.answers: Counter[str] = Counter()
        self.error: Exception | None = None
        self._addresses, self._pause_s = addresses, pause_s
        self._events = audience.events(sync)
        self._lock = threading.Lock()
        self._ended, self._given_up = threading.Event(), threading.Event()
        self._threads = [threading.Thread(target=self._run, args=[n], daemon=True) for n in range(threads)]
        for thread in self._threads:
            thread.start()

    def end(self) -> None:
        """Begin no more."""
        self._ended.set()

    def give_up(self) -> None:
        """Try no more."""
        self._given_up.set()

    @property
    def done(self) -> bool:
        """Whether all that was begun is answered 200.

        Raises:
            Exception: what kept it from there.
        """
        if self.error is not None:
            raise self.error
        return not any(thread.is_alive() for thread in self._threads)

    def _run(self, number: int) -> None:
        places = itertools.islice(itertools.cycle(self._addresses), number, None)
        try:
            while not self._ended.wait(self._pause_s):
                with self._lock:
                    events = [event.body for event in itertools.islice(self._events, BATCH)]
                if not events:
                    return
                self._send(events, places)
        except Exception as error:  # noqa: BLE001  raised again in the thread that waits
            self.error = error

    def _send(self, events: list[bytes], places: Iterator[str]) -> None:
        body = b'{"batch":[' + b",".join(events) + b'],"writeKey":"' + _KEY.encode() + b'"}'
        place = next(places)
        while not self._given_up.is_set():
            answer = _post(place, body)
            with self._lock:
                self.answers[answer] += 1
                if answer == str(_OK):
                    self.accepted += [found.decode() for found in _MESSAGE_ID.findall(body)]
                    return
            if answer[:1] == "4":
                raise AssertionError(f"ingest answered {answer}, which no SDK would send again")
            time.sleep(_AGAIN_S)
            place = next(places)


def write_workspaces(file: Path) -> None:
    """Write the workspaces file with the sender's key."""
    digest = hashlib.sha256(_KEY.encode()).hexdigest()
    file.write_text(f'[workspaces.{HTTP_WORKSPACE}]\nkeys = ["sha256:{digest}"]\n')


def _post(address: str, body: bytes) -> str:
    """Return the status, or the name of what went wrong."""
    connection = http.client.HTTPConnection(address, timeout=_ANSWER_S)
    try:
        connection.request("POST", "/v1/batch", body)
        answer = connection.getresponse()
        answer.read()
        return str(answer.status)
    except (OSError, http.client.HTTPException) as error:
        return type(error).__name__
    finally:
        connection.close()
