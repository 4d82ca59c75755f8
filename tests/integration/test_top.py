"""`daymark top` at a real worker and a real ingest: what it shows is what their metrics say."""

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from daymark.commands import top
from schemas.topics import Topics
from schemas.workspace import digest
from tests import alerts, dashboard
from tests.flows import Process, Road, visit


@pytest.fixture
def road(kafka: str, redis_url: str, topics: Topics, claim_key: bytes) -> Road:
    return Road(kafka, redis_url, topics, claim_key)


def admin(process: Process, event: str) -> str:
    address: str = json.loads(process.wait_for(rf'\{{.*"{event}".*\}}'))["admin"]
    return address


def test_a_look_at_real_parts(road: Road, tmp_path: Path) -> None:
    """Each part is what it is, one that is gone is said to be; dashboard and alerts ask for what they really show."""
    road.send(visit(contact) for contact in range(5))
    file = tmp_path / "workspaces.toml"
    file.write_text(f'[workspaces.w]\nkeys = ["sha256:{digest("a-key").hex()}"]\n')
    ingest = road.start("ingest", DAYMARK_HTTP="127.0.0.1:0", DAYMARK_WORKSPACES=str(file))
    try:
        with road.worker() as worker:
            road.wait_settled()
            urls = [admin(ingest, r"ingest\.started"), admin(worker, r"worker\.started")]
            said = CliRunner().invoke(top.command, [*urls, "127.0.0.1:9", "--json", "--interval", "0.2"])
            shown = CliRunner().invoke(top.command, [*urls, "--once", "--interval", "0.2"])
            names = {name.partition("{")[0] for name in worker.metrics()}
    finally:
        ingest.end()
    found = json.loads(said.stdout)
    assert said.exit_code == 0
    assert [part["kind"] for part in found["parts"]] == ["ingest", "worker", "away"]
    assert (found["partitions"], found["lag_records"], found["store"]) == (4, 0, "ok")
    assert "in 4 partitions" in shown.stdout
    queries = [*dashboard.queries(), *(alert.expr for alert in alerts.ALERTS)]
    asked = {name for query in queries for name in re.findall(r"daymark_\w+", query)}
    absent = {name for name in asked if not name.startswith(("daymark_ingest_", "daymark_audit_"))} - names
    assert absent <= {"daymark_events_skipped_total", "daymark_offsets_beyond_end_total"}  # with their first partition
    assert CliRunner().invoke(top.command, ["127.0.0.1:9", "--json", "--interval", "0.2"]).exit_code == 1
