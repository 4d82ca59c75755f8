"""`daymark timeline` on a real Kafka, killed and wiped: the tables have each record once."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Any
from zlib import crc32

import pytest
from confluent_kafka import Producer
from sqlalchemy import create_engine, select, text

from daymark import timeline_wiring
from daymark.settings import load
from schemas import avro
from schemas.topics import Topics
from tests.made import PARTITIONS
from tests.timeline import postgres
from timeline import store
from timeline.store.tables import TABLES, key_secret

CONTACTS, INTERACTIONS, CHANGES, REJECTIONS = 100, 3_000, 1_000, 60
PATIENCE_S = 120.0
ROOT = Path(__file__).parents[2]


def interaction(number: int, email: str) -> tuple[bytes, bytes]:
    identity = f"{email}-{number % 97}"  # some are emitted again
    fields = {
        "interaction_id": identity,
        "workspace": "demo",
        "email": email,
        "day": 20_000 - number % 97,
        "timestamp": number,
    }
    fields |= {"description": str(number), "described_by": "standard", "source_partition": 0, "source_offset": number}
    return identity.encode(), avro.INTERACTION.encode(
        fields | dict.fromkeys(("url", "event", "message_id", "received_at"))
    )


def change(number: int, email: str, name: str) -> tuple[bytes, bytes]:
    entered = number % 5 > 0
    fields = {
        "workspace": "demo",
        "email": email,
        "name": name,
        "value": entered,
        "kind": "audience",
        "membership": entered,
    }
    fields |= {"timestamp": number * 60_000, "message_id": None, "received_at": None}
    encoded = avro.TRAIT.encode(fields | {"source_partition": 0, "source_offset": number})
    return f"{email} {name}".encode(), encoded


def fill(kafka: str, topics: Topics) -> None:
    """Write records in transactions, some of which are aborted, and tombstones."""
    producer = Producer({"bootstrap.servers": kafka, "transactional.id": f"{topics.prefix}fill", "linger.ms": 20})
    producer.init_transactions(60)
    draw = random.Random(7)
    dead = {"reason": "too_large", "message": "Too large", "stage": "ingest", "workspace": "demo", "raw": b"{}"}
    rejection = avro.REJECTED.encode(dead | dict.fromkeys(("received_at", "source_partition", "source_offset")))
    for part in range(12):
        producer.begin_transaction()
        for number in range(part, INTERACTIONS, 12):
            email = f"p{draw.randrange(CONTACTS)}@example.com"
            at = crc32(email.encode()) % PARTITIONS
            key, value = interaction(number, email)
            producer.produce(topics.interactions, None if number % 50 == 0 else value, key, at)
            if number % (INTERACTIONS // CHANGES) == 0:
                named, changed = change(number, email, f"audience {number % 8}")
                producer.produce(topics.traits, changed, named, at)
            if number % (INTERACTIONS // REJECTIONS) == 0:
                producer.produce(topics.rejected, rejection, None, at)
        assert producer.flush(60) == 0  # what an abort overtakes could reach the broker after it
        (producer.abort_transaction if part == 5 else producer.commit_transaction)(60)


def settings_of(kafka: str, topics: Topics, url: str) -> dict[str, str]:
    return {"DAYMARK_KAFKA": kafka, "DAYMARK_TOPIC_PREFIX": topics.prefix, "DAYMARK_TIMELINE": url}


@contextmanager
def reader(kafka: str, topics: Topics, url: str, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run the reader in a process of its own, which ends with this block however it ends."""
    kept = {name: text for name, text in os.environ.items() if not name.startswith("DAYMARK_")}
    environment = settings_of(kafka, topics, url)
    command = [sys.executable, "-m", "tests.timeline.small_batches"]
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(command, env=kept | environment, cwd=ROOT, stdout=log, stderr=log)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def wait(until: Callable[[], bool], folder: Path) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not until():
        assert time.monotonic() < deadline, (folder / "log").read_text("utf-8")[-3000:]
        time.sleep(0.02)


def content(there: store.Store) -> dict[str, list[Any]]:
    """Return the rows of every table, without what depends on when they were read."""
    engine = create_engine(there.url)
    kept = [table for name, table in TABLES.tables.items() if name not in {"notes", "schema_version"}]
    left_out = {"seq", "read_at_ms", "end_offset"}
    with engine.connect() as connection:
        found = {
            table.name: sorted(
                (tuple(row) for row in connection.execute(select(*(c for c in table.c if c.name not in left_out)))),
                key=repr,
            )
            for table in kept
        }
    engine.dispose()
    return found


def share_secret(*those: store.Store) -> None:
    """Let stores have the same secret, so that contacts have the same keys in them."""
    for there in those:
        engine = create_engine(there.url)
        with engine.begin() as connection:
            connection.execute(key_secret.update().values(secret=b"of both"))
        engine.dispose()


def _is_read(there: store.Store) -> bool:
    topics = {each.topic for each in there.overview.reading()}
    return len(topics) == 3 and not there.overview.state().behind


@pytest.fixture(scope="module")
def server() -> Iterator[str | None]:
    found = postgres.programs()
    if found is None:
        yield None
        return
    with postgres.running(found) as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def urls(request: pytest.FixtureRequest, tmp_path: Path) -> list[str]:
    """URLs of two empty databases of one kind."""
    if request.param == "sqlite":
        return [f"sqlite:///{tmp_path}/{number}.db" for number in range(2)]
    url = request.getfixturevalue("server")
    if url is None:
        pytest.skip("no PostgreSQL is installed")
    engine = create_engine(
        url.format("postgres").replace("postgresql:", "postgresql+psycopg:"), isolation_level="AUTOCOMMIT"
    )
    with engine.connect() as connection:
        for number in range(2):
            connection.execute(text(f"CREATE DATABASE timeline{number}"))
    engine.dispose()
    return [url.format(f"timeline{number}") for number in range(2)]


def test_a_kill_at_any_moment_and_a_wiped_store_end_with_the_same_content(
    kafka: str, topics: Topics, urls: list[str], tmp_path: Path
) -> None:
    """The reader is killed while it writes, again and again; another store is filled in one go."""
    fill(kafka, topics)
    killed, whole = (store.opened(url) for url in urls)
    share_secret(killed, whole)
    rows = 0

    def progressed() -> bool:
        return sum(each.next_offset for each in killed.overview.reading()) > rows + 300

    for _ in range(2):
        with reader(kafka, topics, urls[0], tmp_path) as process:
            wait(progressed, tmp_path)
            time.sleep(random.random() / 20)  # somewhere in the next transactions
            process.send_signal(signal.SIGKILL)
            process.wait()
        rows = sum(each.next_offset for each in killed.overview.reading())
    for there, url in ((killed, urls[0]), (whole, urls[1])):
        stop = Event()  # quicker than another process, and ended as SIGTERM ends one
        thread = Thread(target=timeline_wiring.read, args=[load(settings_of(kafka, topics, url)), stop])
        thread.start()
        try:
            wait(lambda there=there: _is_read(there), tmp_path)  # type: ignore[misc]
        finally:
            stop.set()
            thread.join(PATIENCE_S)
        assert not thread.is_alive()
    assert content(killed) == content(whole)
    (totals,) = whole.overview.totals()
    counts = {name: len(found) for name, found in content(whole).items()}
    assert (totals.contacts, totals.interactions, totals.rejections) == tuple(
        counts[name] for name in ("contacts", "interactions", "rejections")
    )
    assert min(counts.values()) > 0
    assert {each.members for each in whole.audiences.all()} != {0}
    for there in (killed, whole):
        there.close()
