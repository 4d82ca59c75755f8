"""PART=timeline: interactions a second into SQLite beside a plain `executemany` loop; a search by prefix; the pages.

The loop writes rows that are ready into the same tables, with the same indices, and does nothing else. The reader takes
records as Kafka has them: it decodes, hashes, counts by workspace, and keeps the offsets. Times are CPU times.
"""

import random
import sqlite3
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final
from uuid import UUID

from schemas import avro
from schemas.topics import Topics
from tests.bench import ground, pages, searches
from tests.bench.figures import Row, ratios
from tests.bench.options import Options
from timeline import store
from timeline.reading import BATCH
from timeline.records import Records
from timeline.source import Record
from timeline.store.batches import Batch, Interaction, Reach
from timeline.store.keys import ContactKeys
from timeline.store.writing import Writer

PART: Final = "timeline"
READER, LOOP = "reader", "executemany loop"
_TOPICS: Final = Topics()
_PLACE: Final = (_TOPICS.interactions, 0)
_DAY, _DAYS, _EACH = 20_700, 300, 4
_CONTACTS, _CONTACTS_DEEP = 1_000_000, 10_000_000


def run(options: Options) -> list[Row]:
    """Measure both in turn, then the search."""
    records = [_record(number, options.events) for number in range(options.events)]
    runs: dict[str, list[float]] = {READER: [], LOOP: []}
    for number in range(options.runs):
        for name, taken in ((READER, _read), (LOOP, _loop)):
            options.say(f"{PART}: {name}, run {number + 1} of {options.runs}")
            with ground.folder() as folder:
                runs[name].append(len(records) / taken(Path(folder), records))
    case = f"{options.events:,} interactions of {options.events // _EACH:,} contacts, SQLite"
    rows = [Row(PART, name, "on one core", "interactions/s", tuple(values), case) for name, values in runs.items()]
    rows += ratios(PART, case, runs, LOOP, "beside the loop")
    contacts = _CONTACTS_DEEP if options.deep else _CONTACTS
    options.say(f"{PART}: search among {contacts:,} contacts")
    times = searches.times(contacts)
    case = f"search by prefix, {contacts:,} contacts"
    rows += [Row(PART, READER, f"p{part}", "ms", (times[len(times) * part // 100],), case) for part in (50, 95)]
    return rows + pages.run(options, PART)


def _record(number: int, of: int) -> Record:
    draw = random.Random(number)
    email, day = f"{draw.randrange(of // _EACH)}.contact@example.com", _DAY - draw.randrange(_DAYS)
    identity = str(UUID(int=hash((email, day)) % (1 << 128)))
    url = f"https://shop.example/products/{number % 1000}?utm_source=newsletter"
    fields = {
        "interaction_id": identity,
        "workspace": "demo",
        "email": email,
        "day": day,
        "timestamp": day * 86_400_000,
    }
    fields |= {"description": url, "described_by": "url", "url": url, "event": None, "message_id": f"ajs-{identity}"}
    fields |= {"received_at": day * 86_400_000, "source_partition": 0, "source_offset": number}
    return Record(_PLACE, number, identity.encode(), avro.INTERACTION.encode(fields), (), day * 86_400_000)


def _read(folder: Path, records: Sequence[Record]) -> float:
    """Return the CPU seconds of everything but Kafka's client."""
    with store.opened(f"sqlite:///{folder}/timeline.db") as there:
        writer, taken_s = Writer(there.url), 0.0
        rows = Records(_TOPICS, writer.keys)
        for batch, some in _batches(records):
            began = time.process_time()
            for record in some:
                rows.add(batch, record)
            writer.write(batch, 0)
            taken_s += time.process_time() - began
        writer.close()
        (totals,) = there.overview.totals()
    assert totals.interactions == len({record.key for record in records})
    return taken_s


def _loop(folder: Path, records: Sequence[Record]) -> float:
    """Return the CPU seconds of `executemany`, of rows that are ready."""
    with store.opened(f"sqlite:///{folder}/timeline.db"):
        pass
    connection, taken_s = sqlite3.connect(folder / "timeline.db", isolation_level=None), 0.0
    rows = Records(_TOPICS, ContactKeys(b"of the benchmark"))
    for pragma in ("synchronous=NORMAL", "cache_size=-65536"):
        connection.execute(f"PRAGMA {pragma}")
    for batch, some in _batches(records):
        for record in some:
            rows.add(batch, record)
        names = Interaction._fields
        values, people = [*map(tuple, batch.interactions.values())], [*map(tuple, batch.contacts.values())]
        marks = ", ".join("?" * len(names))
        began = time.process_time()
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany("INSERT INTO contacts VALUES (?, ?, ?) ON CONFLICT DO NOTHING", people)
        connection.executemany(
            f"INSERT INTO interactions ({', '.join(names)}) VALUES ({marks}) ON CONFLICT DO NOTHING", values
        )
        connection.execute("COMMIT")
        taken_s += time.process_time() - began
    connection.close()
    return taken_s


def _batches(records: Sequence[Record]) -> Iterator[tuple[Batch, Sequence[Record]]]:
    for at in range(0, len(records), BATCH):
        some = records[at : at + BATCH]
        batch = Batch()
        batch.reach[_PLACE] = Reach(at, at + len(some), len(records), "")
        yield batch, some
