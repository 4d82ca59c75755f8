"""A simulated audience sync through the whole road: summary, metrics and topics agree."""

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from schemas.topics import Topics
from tests.e2e import final
from tests.flows import Process, Road, twice, wait_until

CONTACTS, DAYS = 1500, 2
# Every contact three times over two days, 2 % invalid, some calls sent again as they were.
AUDIENCE = (
    "--contacts",
    str(CONTACTS),
    "--days",
    str(DAYS),
    "--repeat",
    "1.5",
    "--retries",
    "0.05",
    "--invalid",
    "0.02",
)


class Api(NamedTuple):
    """A running ingest and a key for it."""

    process: Process
    url: str
    key: str


@pytest.fixture
def road(kafka: str, redis_url: str, topics: Topics, claim_key: bytes) -> Road:
    return Road(kafka, redis_url, topics, claim_key)


@pytest.fixture
def api(road: Road, tmp_path: Path) -> Iterator[Api]:
    file = str(tmp_path / "workspaces.toml")
    made = road.start("keys", "new", "w", "--file", file)
    assert made.wait() == 0
    with ExitStack() as stack:
        process = road.start("ingest", DAYMARK_WORKSPACES=file, DAYMARK_HTTP="127.0.0.1:0")
        stack.callback(process.end)
        address = json.loads(process.wait_for(r'\{.*"ingest\.started".*\}'))["http"]
        yield Api(process, f"http://{address}", made.said.splitlines()[0])


def _simulated(road: Road, *options: str, what: tuple[str, ...] = AUDIENCE, **environ: str) -> dict[str, Any]:
    process = road.start("simulate", *what, *options, "--workspace", "w", "--json", **environ)
    assert process.wait(240) == 0, process.said
    summary: dict[str, Any] = json.loads(process.said.splitlines()[-1])
    return summary


# Of people with several identifiers, some of whom have no e-mail.
LIFE = ("--contacts", "300", "--deltas", "8", "--resyncs", "1", "--replays", "1", "--out-of-order", "0.1")


def _agree(road: Road, summary: dict[str, Any], figures: Counter[str]) -> None:
    interactions, rejections = road.interactions(), road.rejections()
    assert not twice(interactions)
    assert len(interactions) == CONTACTS * DAYS == summary["expected_interactions"]
    properties = final.compacted(final.emitted(road.committed(road.topics.traits)))
    assert len(properties) == CONTACTS == summary["expected_properties"]
    reasons = Counter(rejection["reason"] for rejection in rejections)
    assert reasons == summary["expected_rejections"]
    assert {name: figures[f'daymark_events_total{{result="{name}"}}'] for name in ("emitted", *reasons)} == {
        "emitted": len(interactions),
        **reasons,
    }


def _figures(*processes: Process) -> Counter[str]:
    total: Counter[str] = Counter()
    for process in processes:
        total.update({name: int(figure) for name, figure in process.metrics().items() if "events_total" in name})
    return total


def test_straight_into_the_topic(road: Road) -> None:
    """Interactions are exactly the distinct contact-days, each rejection has its reason, and all counts agree."""
    summary = _simulated(road, "--to", "topic")
    with road.worker("a") as one, road.worker("b") as two, road.worker("c") as three:
        road.wait_settled()
        _agree(road, summary, _figures(one, two, three))


def test_three_workers_one_killed_and_replaced(road: Road) -> None:
    """The same with a worker killed while it works, and another in its place."""
    with road.worker("a"), road.worker("b"):
        doomed = road.start("process", DAYMARK_SLOT=f"{road.topics.prefix}c")
        doomed.wait_for("partitions.assigned")
        summary = _simulated(road, "--to", "topic")
        doomed.kill()
        with road.worker("c"):
            road.wait_settled()
    interactions = road.interactions()
    assert not twice(interactions)
    assert len(interactions) == CONTACTS * DAYS
    assert Counter(rejection["reason"] for rejection in road.rejections()) == summary["expected_rejections"]


@pytest.mark.parametrize("batch", [(), ("--batch", "100", "--gzip")], ids=["single calls", "batches"])
def test_through_http(road: Road, api: Api, batch: tuple[str, ...]) -> None:
    """Every valid call is answered 200 and every other one with its reason; the topics hold the same."""
    with road.worker() as worker:
        summary = _simulated(road, "--url", api.url, *batch, DAYMARK_KEY=api.key)
        road.wait_settled()
        assert summary["failed"] == 0
        wait_until(
            lambda: len(road.rejections()) == sum(summary["expected_rejections"].values()),
            "ingest has recorded what it refused",
        )
        interactions = road.interactions()
        assert not twice(interactions)
        assert len(interactions) == CONTACTS * DAYS
        assert Counter(r["reason"] for r in road.rejections()) == summary["expected_rejections"]
        assert {r["stage"] for r in road.rejections()} == {"ingest"}
        assert _figures(worker)['daymark_events_total{result="emitted"}'] == CONTACTS * DAYS


def test_a_life_through_http(road: Road, api: Api, tmp_path: Path) -> None:
    """Over many connections, in batches, properties come to their newest values; calls without e-mail are refused."""
    file = tmp_path / "truth.ndjson"
    with road.worker():
        summary = _simulated(
            road, "--url", api.url, "--truth", str(file), "--batch", "20", what=LIFE, DAYMARK_KEY=api.key
        )
        road.wait_settled()
    properties = final.compacted(final.emitted(road.committed(road.topics.traits)))
    assert final.differences(properties, final.read_truth(file)) == {}
    interactions = road.interactions()
    assert not twice(interactions)
    assert len(interactions) == summary["expected_interactions"]
    assert summary["rejected"] == summary["expected_rejections"]
