"""A workspace's settings change while events flow: workers go on with the new ones, and nothing is lost."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path

import pytest

from schemas.topics import Topics
from tests.flows import Process, Road, wait_until

UTC_DAY, AUCKLAND_DAY = "2020-05-31", "2020-06-01"
USUAL, OTHERS = ("traits", "email"), ("profile", "mail")


@pytest.fixture
def road(kafka: str, redis_url: str, topics: Topics, claim_key: bytes) -> Road:
    return Road(kafka, redis_url, topics, claim_key)


class Flow:
    """Events of one workspace, each of a different contact, late in the evening of UTC_DAY."""

    def __init__(self, road: Road) -> None:
        self._road, self.sent = road, 0

    def send(self, count: int, place: tuple[str, str] = USUAL) -> None:
        self._road.send(self._events(count, place))

    def until(self, what: str, is_so: Callable[[], bool], place: tuple[str, str] = USUAL) -> None:
        """Keep events flowing until something is so, and a while longer."""

        def look() -> bool:
            self.send(20, place)
            return is_so()

        wait_until(look, what)
        self.send(100, place)

    def _events(self, count: int, place: tuple[str, str]) -> Iterator[tuple[str, bytes]]:
        for _ in range(count):
            email = f"{self.sent}@x.org"
            event = {"type": "identify", "timestamp": f"{UTC_DAY}T23:30:00Z", place[0]: {place[1]: email}}
            self.sent += 1
            yield email, json.dumps(event).encode()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "workspaces.toml"
    path.write_text("[workspaces.w]\n")
    return path


@pytest.fixture
def workers(road: Road, path: Path) -> Iterator[list[Process]]:
    with ExitStack() as stack:
        workers = [stack.enter_context(road.worker(slot, DAYMARK_WORKSPACES=str(path))) for slot in "ab"]
        for worker in workers:
            worker.wait_for("partitions.assigned")
        yield workers


def test_a_time_zone_changes(road: Road, path: Path, workers: list[Process]) -> None:
    """Each event has one interaction: on the old day before the change, on the new day after it."""
    flow = Flow(road)
    flow.until("the old day is seen", lambda: UTC_DAY in days(road))
    path.write_text('[workspaces.w]\ntime_zone = "Pacific/Auckland"\n')
    flow.until("both workers have read the file", lambda: have_read(workers))
    flow.until("the new day is seen", lambda: AUCKLAND_DAY in days(road))
    road.wait_settled()
    interactions = road.interactions()
    assert sorted(interaction["email"] for interaction in interactions) == sorted(
        f"{n}@x.org" for n in range(flow.sent)
    )
    assert set(days(road)) == {UTC_DAY, AUCKLAND_DAY}
    in_order = sorted((i["source_partition"], i["source_offset"], str(i["day"])) for i in interactions)
    assert all(before[2] <= after[2] for before, after in pairwise(in_order) if before[0] == after[0])
    assert all(is_untouched(worker) for worker in workers)


def test_a_format_changes(road: Road, path: Path, workers: list[Process]) -> None:
    """It is widened first: events of the old form and of the new one are read alike, and none is rejected."""
    flow = Flow(road)
    flow.until("interactions are seen", lambda: bool(days(road)))
    path.write_text("[workspaces.w.format]\nemail = 'profile.mail || traits.email'\n")
    flow.until("both workers have read the file", lambda: have_read(workers))
    flow.send(200, OTHERS)
    flow.send(200)
    road.wait_settled()
    assert emails(road) == sorted(f"{n}@x.org" for n in range(flow.sent))
    assert road.rejections() == []
    assert all(is_untouched(worker) for worker in workers)


def emails(road: Road) -> list[str]:
    return sorted(interaction["email"] for interaction in road.interactions())


def days(road: Road) -> list[str]:
    return [str(interaction["day"]) for interaction in road.interactions()]


def have_read(workers: list[Process]) -> bool:
    return all("workspaces.read" in worker.said for worker in workers)


def is_untouched(worker: Process) -> bool:
    """Whether a worker runs as it began: in one session."""
    return worker.status is None and worker.metrics()["daymark_sessions_total"] == 1
