"""The truth of a life is what brute force finds in its calls."""

from collections import Counter
from typing import Any

from hypothesis import given, settings

from daymark.simulation import delivery
from daymark.simulation.life import Life
from daymark.simulation.truth import Property, Truth
from schemas.rejections import Reason
from tests.daymark import lives
from tests.daymark.lives import Told, calls


def membership(call: Told) -> bool | None:
    kind = call.event["context"]["personas"]["computation_class"]
    if kind == "trait":
        return None
    return {True: True, False: False, "true": True}[call.value]


def folded(plan: Life) -> dict[lives.Property, Told]:
    """Return the newest call of each property, by its timestamp and nothing else; of equal ones all must agree."""
    newest: dict[lives.Property, Told] = {}
    for call in calls(plan):
        if call.email is None:
            continue
        before = newest.setdefault(call.of, call)
        if call.timestamp_ms == before.timestamp_ms:
            assert (call.value, call.event["messageId"]) == (before.value, before.event["messageId"])
        elif call.timestamp_ms > before.timestamp_ms:
            newest[call.of] = call
    return newest


def typed(value: Any) -> tuple[type, Any]:
    """Tell true from 1, and 1 from 1.0."""
    return type(value), value


def check(plan: Life) -> None:
    found = list(Truth(plan).properties("w"))
    expected = {
        of: Property("w", *of, value=call.value, membership=membership(call)) for of, call in folded(plan).items()
    }
    assert len(found) == len(expected)
    assert {(one.email, one.name): one for one in found} == expected
    assert all(typed(one.value) == typed(expected[one.email, one.name].value) for one in found)


@given(lives.lives())
@settings(deadline=None)
def test_each_property_has_the_value_of_its_newest_call(plan: Life) -> None:
    check(plan)


def test_that_holds_for_a_long_life() -> None:
    check(lives.WHOLE)


@given(lives.lives())
@settings(deadline=None)
def test_figures_are_those_of_the_calls(plan: Life) -> None:
    """Events, distinct contact-days, rejections, properties, and how many came again, late and by a replay."""
    expected, events = Truth(plan).expected(), list(delivery.events(plan))
    assert len(events) == expected.events
    assert len({(event.contact, event.day) for event in events if event.reason is None}) == expected.interactions
    assert Counter(event.reason for event in events if event.reason) == +Counter(expected.rejections)
    assert expected.rejections.keys() == {Reason.MISSING_EMAIL}
    assert len(folded(plan)) == expected.properties
    sent = list(delivery.sent(plan))
    assert len(sent) == expected.events - expected.retries
    assert sum(sending.replayed for sending in sent) == expected.replayed
    assert sum(sending.is_late for sending in sent) == expected.late


def test_members_and_non_members_are_many() -> None:
    """A truth that one value would satisfy proves nothing."""
    found = Counter(typed(one.membership) for one in Truth(lives.WHOLE).properties("w"))
    assert min(found[typed(value)] for value in (True, False, None)) > 100


def test_who_takes_calls_as_they_arrive_is_wrong() -> None:
    """Late and replayed calls would set many a property back: that is what the truth is to tell from right."""
    last = {call.of: call.value for call in calls(lives.WHOLE) if call.email is not None}
    assert sum(last[one.email, one.name] != one.value for one in Truth(lives.WHOLE).properties("w")) > 50
