"""What `daymark top` makes of two looks at metrics."""

import io
import json
import math
import socket

import pytest
from click.testing import CliRunner
from rich.console import Console

from daymark.commands import top
from daymark.figures.scrape import Labels, Scrape, Span, addresses
from daymark.figures.screen import shown
from daymark.figures.summary import summed
from daymark.showing.figures import RULES

NONE: Labels = ()


def worker(at_s: float, *, emitted: float = 0, paused: float = 0, fast: float = 0, slow: float = 0) -> Scrape:
    bucket = "daymark_event_commit_seconds_bucket"
    return Scrape(
        "http://127.0.0.1:8082",
        at_s,
        {
            ("daymark_partitions", NONE): 12,
            ("daymark_group_settled", NONE): 1,
            ("daymark_store_up", NONE): 1 - paused,
            ("daymark_paused", NONE): paused,
            ("daymark_events_total", (("result", "emitted"),)): emitted,
            ("daymark_events_total", (("result", "duplicate"),)): 7,
            ("daymark_lag_records", (("partition", "0"),)): 3,
            ("daymark_lag_records", (("partition", "1"),)): 4,
            ("daymark_event_lag_seconds", (("partition", "0"),)): 1.5,
            ("daymark_event_lag_seconds", (("partition", "1"),)): 0.5,
            (bucket, (("le", "0.1"),)): fast,
            (bucket, (("le", "1.0"),)): fast + slow,
            (bucket, (("le", "+Inf"),)): fast + slow,
        },
    )


def ingest(at_s: float, accepted: float) -> Scrape:
    labels = (("result", "accepted"),)
    return Scrape(
        "http://127.0.0.1:8081",
        at_s,
        {("daymark_ingest_kafka_up", NONE): 1, ("daymark_ingest_events_total", labels): accepted},
    )


def away(at_s: float) -> Scrape:
    return Scrape("http://127.0.0.1:9", at_s, None)


def test_rates_lag_and_percentiles() -> None:
    before = [ingest(0, 100), worker(0, emitted=10), away(0)]
    now = [ingest(2, 140), worker(2, emitted=30, fast=98, slow=2), away(2)]
    found = summed(before, now)
    assert (found.accepted_per_s, found.events_per_s) == ({"accepted": 20.0}, {"emitted": 10.0})
    assert (found.lag_records, found.lag_seconds, found.partitions, found.store) == (7, 1.5, 12, "ok")
    assert (found.commit_p50_s, found.commit_p99_s) == (0.1, 1.0)
    assert [(part.kind, part.state) for part in found.parts] == [
        ("ingest", "ok"),
        ("worker", "ok"),
        ("away", "does not answer"),
    ]


def test_a_part_that_started_anew_counts_from_nothing() -> None:
    assert Span([(worker(0, emitted=1000), worker(1, emitted=5))]).rates("daymark_events_total", "result") == {
        "emitted": 5.0
    }
    assert Span([(away(0), worker(1, emitted=5))]).rate("daymark_events_total") == 12.0


def test_what_is_left_in_a_lane_is_shown_where_there_is_one() -> None:
    lane = (("partition", "1"),)
    laned = worker(1)._replace(samples={**(worker(1).samples or {}), ("daymark_backfill_lag_records", lane): 1234})
    found = summed([worker(0), worker(0)], [worker(1), laned])
    assert (found.lag_records, found.lane_records, summed([worker(0)], [worker(1)]).lane_records) == (14, 1234, None)
    console = Console(width=120, file=io.StringIO(), record=True)
    console.print(shown(found))
    assert "1,234 records left in its lane" in console.export_text()


def test_a_store_that_is_away_is_said() -> None:
    found = summed([worker(0)], [worker(1, paused=1)])
    assert (found.store, found.parts[0].state) == ("unavailable", "paused: store unavailable")
    assert [rule.name for rule in RULES if rule.fires(found)] == ["DaymarkPaused"]
    assert summed([away(0)], [away(1)]).store == "unknown: no worker answers"


@pytest.mark.parametrize("share", [0.5, 0.99])
def test_nothing_observed_has_no_percentile(share: float) -> None:
    assert Span([(worker(0), worker(1))]).quantile(share, "daymark_event_commit_seconds") is None
    endless = Scrape("", 1, {("x_bucket", (("le", "+Inf"),)): 1.0})
    assert Span([(away(0), endless)]).quantile(share, "x") == math.inf


def test_it_fits_a_terminal() -> None:
    console = Console(width=100, record=True, file=None)
    with console.capture() as capture:
        console.print(shown(summed([ingest(0, 0), worker(0)], [ingest(1, 1), worker(1, emitted=4, fast=1)])))
    said = capture.get()
    assert "emitted 4.0" in said
    assert "7 records, oldest 1.5 s, in 12 partitions" in said


def test_a_name_stands_for_every_address(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that cannot be resolved stays in the list, to be seen as away."""
    known = {"workers": ["10.0.0.2", "10.0.0.1", "10.0.0.1", "fd00::1"]}

    def resolve(host: str, port: int, **_: object) -> list[object]:
        if host not in known:
            raise socket.gaierror(socket.EAI_NONAME, "unknown")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (at, port)) for at in known[host]]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    found = addresses(["workers:8081", "dns+workers:8081", "dns+gone:8081"])
    assert found == ["workers:8081", "10.0.0.1:8081", "10.0.0.2:8081", "[fd00::1]:8081", "gone:8081"]


def test_top_takes_every_address_of_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing listens there: it says so of each address, not of the name."""
    at = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, 1)) for host in ("127.0.0.2", "127.0.0.3")]
    asked = socket.getaddrinfo
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda host, *more, **said: at if host == "workers" else asked(host, *more, **said)
    )
    told = CliRunner().invoke(top.command, ["dns+workers:1", "--interval", "0.2", "--json"])
    assert (told.exit_code, "no part answers" in told.stderr) == (1, True)
    assert [part["url"] for part in json.loads(told.stdout)["parts"]] == ["127.0.0.2:1", "127.0.0.3:1"]
