"""A small run of the fault runner on the shared parts: what `make faults` does for minutes, in seconds."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults import ground
from tests.faults.forkserver import ForkServer
from tests.faults.processes import Options
from tests.faults.run import Run
from tests.faults.schedule import Kind
from tests.faults.tally import Tally

SMALL = Options(seed=1, seconds=14, rate=400, mode="static", session_s=2, workers=3, ingests=1, worker_every_s=0.7)


@pytest.fixture(scope="module")
def forkserver() -> Iterator[ForkServer]:
    with ForkServer.running() as running:
        yield running


def _run(options: Options, kafka: str, redis_url: str, forkserver: ForkServer, folder: Path) -> Tally:
    with ground.given(kafka, redis_url) as where:
        return Run(options, where, forkserver, folder, lambda _: None).make()


@pytest.mark.timeout(600)
def test_nothing_lost_nothing_doubled(kafka: str, redis_url: str, forkserver: ForkServer, tmp_path: Path) -> None:
    """Workers are killed and stopped, at their steps and at random; the audit finds nothing."""
    tally = _run(SMALL._replace(broken="nothing"), kafka, redis_url, forkserver, tmp_path)
    assert not tally.troubles
    assert tally.found["contact_days"] > 0
    assert tally.faults[Kind.AIMED_KILL] > 0
    assert tally.audits > 0
    assert tally.acknowledged > 0


@pytest.mark.timeout(600)
def test_a_broken_protocol_is_found(kafka: str, redis_url: str, forkserver: ForkServer, tmp_path: Path) -> None:
    """Without the owner in its claim a worker that is killed before its commit loses what it had claimed."""
    tally = _run(SMALL._replace(broken="no-owner", ingests=0), kafka, redis_url, forkserver, tmp_path)
    assert tally.found["lost"] > 0
    assert any("lost=" in trouble for trouble in tally.troubles)
