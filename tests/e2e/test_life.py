"""The life of an audience, played by `daymark simulate`, ends with contact.traits equal to the simulator's truth.

First sync, 30 hourly deltas, a re-sync and a replay, 5 % out of order, 5 % repeated; three workers, of which some are
killed and replaced. 2,000 members; DAYMARK_LIFE_MEMBERS says how many others, and how long it may take grows with them:

    DAYMARK_LIFE_MEMBERS=100000 .venv/bin/python -m pytest -n0 tests/e2e/test_life.py
"""

import json
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, KafkaException, TopicPartition

from schemas.topics import Topics
from tests.e2e import final
from tests.flows import Process, Road, twice, wait_until

MEMBERS = int(os.environ.get("DAYMARK_LIFE_MEMBERS", "2000"))
DEADLINE_S = 240 + MEMBERS / 50
WORKERS, KILLS = 3, 4
LIFE = ("--deltas", "30", "--resyncs", "1", "--replays", "1", "--out-of-order", "0.05", "--repeated", "0.05")


@pytest.fixture
def road(kafka: str, redis_url: str, topics: Topics, claim_key: bytes) -> Road:
    return Road(kafka, redis_url, topics, claim_key)


class Crew:
    """Workers by their slots, each killed and replaced on request. Small batches: a kill meets one that is open."""

    def __init__(self, road: Road) -> None:
        self._road = road
        self._workers = [self._start(slot) for slot in range(WORKERS)]
        for worker in self._workers:
            worker.wait_for("partitions.assigned")

    def replace(self, slot: int) -> None:
        """Kill -9, and start another in its place."""
        self._workers[slot].kill()
        self._workers[slot] = self._start(slot)

    def end(self) -> list[int]:
        """Stop them, once they run; return their exit statuses."""
        for worker in self._workers:
            if worker.status is None:
                worker.wait_for("worker.started")
        return [worker.end() for worker in self._workers]

    def _start(self, slot: int) -> Process:
        batch = str(max(100, MEMBERS // 20))
        return self._road.start(
            "process", DAYMARK_SLOT=f"{self._road.topics.prefix}{slot}", DAYMARK_BATCH_RECORDS=batch
        )


def _committed(road: Road) -> int:
    """Return how many raw records the group has committed."""
    consumer = Consumer({"bootstrap.servers": road.kafka, "group.id": road.group})
    try:
        partitions = consumer.list_topics(road.topics.events, 10).topics[road.topics.events].partitions
        places = [TopicPartition(road.topics.events, partition) for partition in partitions]
        return sum(max(place.offset, 0) for place in consumer.committed(places, 20))
    except KafkaException:  # a coordinator on its way
        return 0
    finally:
        consumer.close()


def _wait_committed(road: Road, records: int) -> None:
    wait_until(lambda: _committed(road) >= records, f"{records} records are committed", DEADLINE_S, every_s=0.2)


@pytest.fixture
def crew(road: Road) -> Iterator[Crew]:
    crew = Crew(road)
    yield crew
    crew.end()


@pytest.fixture
def truth(tmp_path: Path) -> Path:
    return tmp_path / "truth.ndjson"


@pytest.fixture
def sender(road: Road, truth: Path) -> Iterator[Process]:
    """Play the life."""
    to = ("--to", "topic", "--workspace", "w", "--truth", str(truth), "--json")
    process = road.start("simulate", "--contacts", str(MEMBERS), *LIFE, *to)
    yield process
    process.end()


@pytest.mark.timeout(3 * DEADLINE_S)
def test_members_and_others_are_exactly_right(road: Road, crew: Crew, sender: Process, truth: Path) -> None:
    """Every property has its newest value, every contact-day one interaction, whoever was killed meanwhile."""
    for kill in range(KILLS):  # about a sixth of all records apart
        _wait_committed(road, (kill + 1) * 2 * MEMBERS)
        crew.replace(kill % WORKERS)
    assert sender.wait(DEADLINE_S) == 0, sender.said
    summary = json.loads(sender.said.splitlines()[-1])
    _wait_committed(road, summary["sent"])
    assert crew.end() == [0] * WORKERS
    _agree(road, summary, final.read_truth(truth))


def _agree(road: Road, summary: dict[str, Any], truth: dict[final.Of, final.Held]) -> None:
    traits = final.emitted(road.committed(road.topics.traits))
    found = final.compacted(traits)
    assert final.differences(found, truth) == {}
    assert len(found) == summary["expected_properties"] > MEMBERS
    assert final.doubled(traits) == []
    assert final.set_back(traits) == []
    interactions = road.interactions()
    assert twice(interactions) == {}
    assert len(interactions) == summary["expected_interactions"]
    assert Counter(rejection["reason"] for rejection in road.rejections()) == summary["expected_rejections"]
