"""The chart's timeline: nobody sees its pages unasked, its database is kept, and it reaches the metrics."""

import asyncio
from http import HTTPStatus
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import httpx
import pytest

from daymark import settings
from tests.deploy import chart
from tests.deploy.test_chart import FILE, TABLES, one
from timeline.web.app import make
from timeline.web.safety import Guard

pytestmark = pytest.mark.deploy


def timeline(*values: str) -> Any:
    return next(
        found
        for found in chart.objects(*values)
        if found["metadata"]["name"] == "daymark-timeline" and found["kind"] == "Deployment"
    )["spec"]


def test_the_timeline_is_off() -> None:
    """It shows e-mail addresses: nobody gets it unasked."""
    assert not [found for found in chart.objects() if "timeline" in found["metadata"]["name"]]


@pytest.mark.parametrize("values", [TABLES, FILE], ids=["tables", "file"])
def test_the_pages_are_closed(values: tuple[str, ...], tmp_path: Path) -> None:
    """The program starts only where people sign in; the database is what the values say; each probe needs no token."""
    (tmp_path / "timeline-token").write_text("t" * 16, "utf-8")
    (tmp_path / "timeline-url").write_text("postgresql://daymark@db/timeline", "utf-8")
    pod = timeline(*values)["template"]["spec"]
    (container,) = pod["containers"]
    environ = {
        entry["name"]: entry["value"].replace("/etc/daymark/secret", str(tmp_path))
        for entry in container["env"]
        if "TIMELINE" in entry["name"]
    }
    found = settings.load(environ)
    guard = Guard(found.timeline_http.host, found.timeline_token, found.timeline_proxy_header, found.timeline_proxies)
    assert (guard.is_local, guard.is_open) == (False, False)
    assert found.timeline.startswith("sqlite:////var/lib/daymark/" if values is FILE else "postgresql://")
    assert container["ports"] == [{"name": "pages", "containerPort": found.timeline_http.port}]
    keys = {item["key"] for volume in pod["volumes"] for item in volume.get("secret", {}).get("items", [])}
    assert ("timeline-token" in keys, "timeline-url" in keys) == (values is TABLES, values is TABLES)
    paths = [container[f"{each}Probe"]["httpGet"]["path"] for each in ("startup", "liveness", "readiness")]
    assert asyncio.run(answers(guard, paths)) == [HTTPStatus.OK] * 3


async def answers(guard: Guard, paths: list[str]) -> list[int]:
    pages = httpx.ASGITransport(make(MagicMock(), MagicMock(), guard))
    async with httpx.AsyncClient(transport=pages, base_url="http://10.2.3.4:8090") as client:
        return [(await client.get(path)).status_code for path in paths]


def test_a_file_has_one_writer() -> None:
    """With SQLite there is one pod at a time, on a volume that outlives the release."""
    spec = timeline(*FILE)
    assert (spec["replicas"], spec["strategy"]) == (1, {"type": "Recreate"})
    claim = one("PersistentVolumeClaim", *FILE)
    assert claim["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}
    volumes = spec["template"]["spec"]["volumes"]
    assert claim["metadata"]["name"] in [
        v["persistentVolumeClaim"]["claimName"] for v in volumes if v["name"] == "tables"
    ]
    ours = (*FILE, "timeline.sqlite.existingClaim=ours")
    assert not [found for found in chart.objects(*ours) if found["kind"] == "PersistentVolumeClaim"]
    assert "type" not in timeline(*TABLES)["strategy"]


def test_the_timeline_reaches_the_metrics() -> None:
    """It names headless Services, and the policies let it pass, also where few may scrape."""
    found = chart.objects(*TABLES)
    headless = {
        each["metadata"]["name"]
        for each in found
        if each["spec" if "spec" in each else "metadata"].get("clusterIP") == "None"
    }
    (container,) = timeline(*TABLES)["template"]["spec"]["containers"]
    assert {name.removeprefix("dns+") for name in container["args"][1:]} == {f"{name}:8081" for name in headless}
    labels = timeline(*TABLES)["template"]["metadata"]["labels"]
    policies = {each["metadata"]["name"]: each["spec"] for each in found if each["kind"] == "NetworkPolicy"}
    for name in ("daymark-ingest", "daymark-processor"):
        (scrape,) = [rule for rule in policies[name]["ingress"] if rule["ports"] == [{"port": "admin"}]]
        assert scrape["from"][-1]["podSelector"]["matchLabels"].items() <= labels.items()
    ports = [port["port"] for rule in policies["daymark-timeline"]["egress"] for port in rule["ports"]]
    assert {5432, 6379, 8081, 9092} <= {*ports}
