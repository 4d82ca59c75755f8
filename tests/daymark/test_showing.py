"""What the timeline's pages show beside the read model, from metrics that are made up."""

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import click
import pytest

from daymark.clients import Opened
from daymark.figures.scrape import Scrape
from daymark.figures.summary import summed
from daymark.showing.asking import mark
from daymark.showing.events import Events
from daymark.showing.figures import RULES, Figures, moment_of
from schemas.topics import Topics
from schemas.workspace import Workspaces
from tests.alerts import ALERTS
from timeline.web.sources import Unavailable

WORKER = """# TYPE daymark_partitions gauge
daymark_partitions 12
# TYPE daymark_group_settled gauge
daymark_group_settled 1
# TYPE daymark_store_up gauge
daymark_store_up {store}
# TYPE daymark_event_lag_seconds gauge
daymark_event_lag_seconds{{partition="0"}} {lag}
# TYPE daymark_events counter
daymark_events_total{{result="emitted"}} {emitted}
daymark_events_total{{result="missing_email"}} {rejected}
"""


RESULTS = {"accepted": 70.0, "failed": 5.0, "missing_email": 30.0}


class Worker(ThreadingHTTPServer):
    """A worker's metrics page that says what it is told to."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Page)
        self.figures: dict[str, Any] = {"store": 1, "lag": 0.5, "emitted": 0, "rejected": 0}

    @property
    def url(self) -> str:
        return f"127.0.0.1:{self.server_address[1]}"


class _Page(BaseHTTPRequestHandler):
    server: Worker

    def do_GET(self) -> None:
        text = WORKER.format(**self.server.figures).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def worker() -> Iterator[Worker]:
    with Worker() as serving:
        thread = threading.Thread(target=serving.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield serving
        serving.shutdown()
        thread.join()


def test_two_looks_tell_rates_and_the_alerts_they_would_raise(worker: Worker) -> None:
    figures = Figures(lambda: [worker.url])
    assert figures.look().outcomes_per_s == {}
    assert figures.alerts() == []
    worker.figures |= {"emitted": 300, "rejected": 100, "lag": 90, "store": 0}
    moment = figures.look()
    assert moment.outcomes_per_s["emitted"] == pytest.approx(3 * moment.outcomes_per_s["missing_email"])
    assert (moment.lag_s, moment.store, [part.kind for part in moment.parts]) == (90, "unavailable", ["worker"])
    assert [alert.name for alert in figures.alerts()] == ["DaymarkLagging", "DaymarkPaused", "DaymarkRejecting"]


def test_what_ingest_rejects_is_told_apart_from_what_kafka_did_not_take() -> None:
    """Events that were answered with 503 come again; they are no rejections."""
    name = "daymark_ingest_events_total"
    looks = [
        Scrape("ingest", at_s, {(name, (("result", result),)): at_s * rate for result, rate in RESULTS.items()})
        for at_s in (1.0, 2.0)
    ]
    summary = summed(looks[:1], looks[1:])
    assert "DaymarkRejecting" in [rule.name for rule in RULES if rule.fires(summary)]
    moment = moment_of(summary)
    assert moment.accepted_per_s == pytest.approx(RESULTS["accepted"])
    assert moment.refused_per_s == pytest.approx({"missing_email": 30})


def test_a_part_that_does_not_answer_is_an_alert() -> None:
    figures = Figures(lambda: ["127.0.0.1:1"])
    assert [part.kind for part in figures.look().parts] == ["away"]
    assert [alert.name for alert in figures.alerts()] == ["DaymarkDown"]


def test_without_any_part_it_says_what_to_do() -> None:
    with pytest.raises(Unavailable, match="DAYMARK_ADMIN"):
        Figures(list).look()


def test_its_alerts_are_those_of_prometheus() -> None:
    known = {alert.name: alert.severity for alert in ALERTS}
    assert {rule.name: known[rule.name] for rule in RULES} == {rule.name: rule.severity for rule in RULES}


def test_the_lines_at_fault_are_marked() -> None:
    marked = mark(b'{"traits": {"email": "none"}}', "invalid_email", None, Workspaces())
    assert [line.strip() for is_at, line in marked.lines if is_at] == ['"email": "none"']
    assert "traits.email" in marked.note


def test_a_kafka_that_is_away_is_said_and_asked_again() -> None:
    asked = []

    def opening() -> AbstractContextManager[Opened]:
        asked.append(1)
        raise click.ClickException("Kafka at k:9092 does not answer")

    events = Events(Topics(), opening, Workspaces)
    for _ in range(2):
        with pytest.raises(Unavailable, match="k:9092 does not answer"):
            events.newest(1)
    assert len(asked) == 2
    events.close()
