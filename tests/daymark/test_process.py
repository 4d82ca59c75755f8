"""`daymark process --workers N`: N workers, restarted when they die, ended together."""

import json
import os
import signal
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from schemas.topics import Topics
from tests.flows import Process, Road, twice, visit, wait_until


@pytest.fixture
def road(kafka: str, redis_url: str, topics: Topics, claim_key: bytes) -> Road:
    return Road(kafka, redis_url, topics, claim_key)


def _slots(process: Process) -> list[str]:
    lines = [json.loads(line) for line in process.said.splitlines() if '"worker.started"' in line]
    return sorted(line["slot"] for line in lines)


def test_two_workers_share_the_work(road: Road) -> None:
    """Each has a slot of its own; one that is killed is started again; SIGTERM ends both in order."""
    name = f"{road.topics.prefix}host"
    process = road.start("process", "--workers", "2", DAYMARK_SLOT=name)
    try:
        wait_until(lambda: _slots(process) == [f"{name}-0", f"{name}-1"], "both have started")
        road.send(visit(contact) for contact in range(300))
        road.wait_settled()
        children = _children(process.pid)
        assert len(children) == 2
        os.kill(children[0], signal.SIGKILL)
        process.wait_for("worker.died")
        road.send(visit(contact, 2) for contact in range(300))
        road.wait_settled()
        wait_until(lambda: len(_slots(process)) == 3, "the dead one has started again")
        process.signal(signal.SIGTERM)
        assert process.wait() == 0
    finally:
        process.end()
    assert process.said.count("worker.stopped") == 2
    assert len(road.interactions()) == 600
    assert not twice(road.interactions())


def test_workers_die_with_their_parent(road: Road) -> None:
    """A parent that is killed leaves no worker behind to take its successors' slots."""
    process = road.start("process", "--workers", "2", DAYMARK_SLOT=f"{road.topics.prefix}host")
    try:
        wait_until(lambda: len(_slots(process)) == 2, "both have started")
        children = _children(process.pid)
        assert len(children) == 2
    finally:
        process.kill()
    wait_until(lambda: not any(_runs(child) for child in children), "the children are gone")


def test_health_of_a_worker(road: Road) -> None:
    """Alive and ready on its own port; other paths are 404."""
    with road.worker() as worker:
        address = json.loads(worker.wait_for(r'\{.*"worker\.started".*\}'))["admin"]
        wait_until(lambda: worker.readiness() == 200, "the worker is ready")
        for path in ("livez", "readyz", "metrics"):
            with urllib.request.urlopen(f"http://{address}/{path}", timeout=60) as answer:
                assert answer.status == 200
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(f"http://{address}/other", timeout=60)


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
