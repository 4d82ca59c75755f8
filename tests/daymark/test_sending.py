"""Nothing is lost on the way, and every answer is counted."""

import asyncio
import socket
from collections import Counter
from datetime import date

import pytest

from daymark.simulation import audience, requests, sending
from daymark.simulation.audience import Plan
from daymark.simulation.sending import Hopeless, Manner
from daymark.simulation.tally import Pace, Tally
from tests.daymark import endpoint

PLAN = Plan(200, date(2026, 11, 20), endpoint.NOW_MS, repeat=1.5, retries=0.1, invalid=0.2)
EXPECTED = audience.expected(PLAN)


def run(url: str, *, batch: int = 0, patience_s: float = 30, gzipped: bool = False, plan: Plan = PLAN) -> Tally:
    tally = Tally()
    to = requests.target(url, "key", gzipped=gzipped)
    calls = requests.requests(audience.events(plan), batch, to)
    asyncio.run(sending.send(calls, to, Manner(8, None, patience_s), tally))
    return tally


@pytest.mark.parametrize(("batch", "gzipped"), [(0, False), (25, False), (25, True)])
def test_every_event_is_answered_as_expected(batch: int, *, gzipped: bool) -> None:
    """Taken ones and rejections by reason are those of the plan, over connections that are kept open."""
    with endpoint.serving() as server:
        tally = run(server.url, batch=batch, gzipped=gzipped)
    assert (tally.sent, tally.failed, tally.tried_again) == (EXPECTED.events, 0, 0)
    assert not tally.unexpected
    assert tally.rejected == Counter({reason.value: count for reason, count in EXPECTED.rejections.items()})
    assert len(server.taken) == EXPECTED.events - sum(EXPECTED.rejections.values())
    assert len({port for _, _, port in server.requests}) <= 8


def test_what_is_not_an_answer_goes_again() -> None:
    """503, 429, a lost connection and nonsense cost tries, and no event."""
    with endpoint.serving(503, 429, "close", 500, "garbage", 408) as server:
        tally = run(server.url)
    assert (tally.sent, tally.failed, tally.tried_again) == (EXPECTED.events, 0, 6)
    assert not tally.unexpected
    assert {status: tally.answers[status] for status in (503, 429, 500, 408)} == {503: 1, 429: 1, 500: 1, 408: 1}
    assert len(server.taken) == EXPECTED.events - sum(EXPECTED.rejections.values())


def test_patience_ends() -> None:
    """An event that was never taken is counted as failed, and the others go on."""
    with endpoint.serving(*["close"] * 30) as server:
        tally = run(server.url, patience_s=0.1, plan=Plan(60, date(2026, 11, 20), endpoint.NOW_MS))
    assert (tally.sent, tally.failed) == (30, 30)


def test_an_unexpected_answer_is_counted() -> None:
    """A refusal of what should be taken, and an answer that is none, show."""
    with endpoint.serving(400, 501) as server:
        tally = run(server.url, plan=Plan(10, date(2026, 11, 20), endpoint.NOW_MS))
    assert tally.unexpected == Counter({("", "trouble"): 2})
    assert (tally.sent, tally.failed) == (10, 0)


@pytest.mark.parametrize("status", [401, 404, 415])
def test_there_is_no_use_in_going_on_without_a_key_or_a_path(status: int) -> None:
    with endpoint.serving(*[status] * 1000) as server, pytest.raises(Hopeless, match=str(status)):
        run(server.url)
    assert len(server.requests) < 50


def test_a_server_that_is_not_there_is_said_at_once() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, not listening: refuses
        with pytest.raises(Hopeless, match="cannot be reached"):
            run(f"http://127.0.0.1:{taken.getsockname()[1]}")


def test_a_pace_spreads_events_and_makes_up_for_no_pause() -> None:
    pace = Pace(10, now_s=100.0)
    assert [pace.delay(5, 100.0), pace.delay(1, 100.0)] == pytest.approx([0, 0.5])
    assert pace.delay(1, 200.0) == 0
    assert pace.delay(1, 200.0) == pytest.approx(0.1)
    assert Pace(None, 0).delay(10**9, 0) == 0
