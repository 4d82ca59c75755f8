"""The simulated audience does what its plan says, counted by brute force and read by the real reader."""

from collections import Counter
from datetime import date, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daymark.simulation import audience, faults, order, payload, people
from daymark.simulation.audience import Event, Plan
from schemas import contact, segment, timestamps, zones
from schemas.identify import Identify
from schemas.rejections import Reason, Rejection

NOW_MS = 1_795_562_040_000  # 2026-11-24T23:14Z
TODAY = date(2026, 11, 24)

ZONES = st.sampled_from(
    [None, zones.find("Europe/Berlin"), zones.find("Pacific/Kiritimati"), zones.find("America/New_York")]
)


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    zone, days = draw(ZONES), draw(st.integers(1, 5))
    return Plan(
        contacts=draw(st.integers(1, 60)),
        first_day=audience.today(NOW_MS, zone) - timedelta(days=days - 1 + draw(st.integers(0, 400))),
        now_ms=NOW_MS,
        days=days,
        repeat=draw(st.floats(1, 3)),
        retries=draw(st.floats(0, 1)),
        invalid=draw(st.floats(0, 1)),
        seed=draw(st.integers(0, 2**70)),
        zone=zone,
    )


def read(event: Event) -> Identify | Rejection:
    return segment.read(event.body, NOW_MS)


@given(plans())
@settings(deadline=None)
def test_what_is_expected_is_what_is_sent(plan: Plan) -> None:
    """Events, distinct contact-days, retries and rejections are as many as `expected` says."""
    sent, expected = list(audience.events(plan)), audience.expected(plan)
    valid = [event for event in sent if event.reason is None]
    assert len(sent) == expected.events
    assert len({(event.contact, event.day) for event in valid}) == expected.interactions
    assert len(valid) - len({event.body for event in valid}) == expected.retries
    assert Counter(event.reason for event in sent if event.reason) == +Counter(expected.rejections)


@given(plans())
@settings(deadline=None)
def test_the_real_reader_agrees(plan: Plan) -> None:
    """Each event is read as its contact on its day, or refused for its reason; no timestamp lies in the future."""
    for event in audience.events(plan):
        found = read(event)
        if isinstance(found, Rejection):
            assert found.reason == event.reason
        else:
            assert event.reason is None
            assert (found.email, timestamps.day(found.timestamp_ms, plan.zone)) == (event.contact, event.day)
            assert found.timestamp_ms <= NOW_MS


@given(plans())
@settings(deadline=None)
def test_the_same_plan_gives_the_same_bytes(plan: Plan) -> None:
    assert list(audience.events(plan)) == list(audience.events(plan))


def test_another_seed_gives_other_calls_of_the_same_contacts() -> None:
    one, other = (list(audience.events(Plan(50, TODAY, NOW_MS, seed=seed))) for seed in (1, 2))
    assert {event.contact for event in one} == {event.contact for event in other}
    assert not {event.body for event in one} & {event.body for event in other}


def test_invalid_calls_are_of_nobody_in_the_audience() -> None:
    """One taken by mistake is an interaction too many."""
    sent = list(audience.events(Plan(50, TODAY, NOW_MS, invalid=1.0)))
    inside = {event.contact for event in sent if event.reason is None}
    assert inside.isdisjoint(event.contact for event in sent if event.reason)


def test_calls_look_like_engage() -> None:
    """Engage's fields and sizes; a share of the calls with a page, another with odd spellings."""
    sent = list(audience.events(Plan(2000, TODAY, NOW_MS, audience="Order completed, last 30days!")))
    bodies = [event.body for event in sent]
    assert all(600 <= len(body) <= 900 for body in bodies)
    assert all(b'"computation_key":"order_completed_last_30days"' in body for body in bodies)
    assert all(b'"traits":{"order_completed_last_30days":true,' in body for body in bodies)
    assert all(b'"sentAt":null' in body and b'"messageId":"personas_' in body for body in bodies)
    assert len({body.split(b'"messageId":"personas_')[1][:27] for body in bodies}) == 2000
    assert 0.2 < sum(b'"page":{' in body for body in bodies) / 2000 < 0.3
    assert 0.9 < sum(f'"email":"{event.contact}"'.encode() in event.body for event in sent) / 2000 < 1


def test_a_retry_comes_some_time_after_the_first() -> None:
    """Of two copies the later is not simply the next event."""
    sent = [event.body for event in audience.events(Plan(5000, TODAY, NOW_MS, retries=0.5))]
    first: dict[bytes, int] = {}
    gaps = [place - first[body] for place, body in enumerate(sent) if first.setdefault(body, place) != place]
    assert len(gaps) == 2500
    assert sorted(gaps)[1250] > 50


@pytest.mark.parametrize(
    "wrong",
    [
        {"contacts": 0},
        {"days": 0},
        {"repeat": 0.5},
        {"retries": 1.5},
        {"invalid": -0.1},
        {"first_day": TODAY + timedelta(days=1)},
        {"audience": "!!!"},
    ],
)
def test_a_plan_that_cannot_be_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"."):
        Plan(**({"contacts": 1, "first_day": TODAY, "now_ms": NOW_MS} | wrong))  # type: ignore[arg-type]


@given(st.sampled_from(Reason), st.integers(0, 2**32), st.booleans())
def test_every_way_to_break_a_call_has_its_reason(reason: Reason, choice: int, entered: bool) -> None:  # noqa: FBT001
    value = b"true" if entered else b"false"
    call = payload.Call(7, people.address(7), value, NOW_MS, NOW_MS, 0, b"x" * 20, choice if choice % 2 else None)
    found = segment.read(faults.broken(payload.write(payload.template("a"), call), reason, choice), NOW_MS)
    assert isinstance(found, Rejection)
    assert found.reason is reason


@given(st.integers(0, 10**9), st.integers(0, people.SPELLINGS - 1))
def test_every_spelling_normalises_to_the_address(number: int, choice: int) -> None:
    assert contact.normalise(people.spelled(people.address(number), choice)) == people.address(number)


@given(st.integers(0, 3000), st.integers(0, 2**70))
def test_a_shuffle_is_a_permutation(count: int, seed: int) -> None:
    assert sorted(order.shuffled(count, seed)) == list(range(count))


def test_a_shuffle_mixes() -> None:
    """Neighbours come from anywhere."""
    numbers = list(order.shuffled(10_000, 1))
    steps = Counter(after - before for before, after in pairwise(numbers))
    assert max(steps.values()) < 100
    assert 4000 < sum(number < 5000 for number in numbers[:5000]) * 2 < 6000
