"""The calls of a life look like Engage's, and arrive as Segment delivers them: late, again, replayed."""

from dataclasses import replace

from hypothesis import given, settings

from daymark.simulation import delivery, life
from daymark.simulation.life import Life
from schemas import segment, timestamps
from schemas.identify import Identify
from schemas.rejections import Reason, Rejection
from tests.daymark.lives import START_MS, WHOLE, Property, Told, calls, lives, told

REPLAYED = {"All": False, "Nat": True}
ORDERLY = replace(WHOLE, out_of_order=0.0, repeated=0.0, replays=0)


def is_replayed(call: Told) -> bool:
    return bool(call.event["integrations"] == REPLAYED)


def after_newer(plan: Life) -> int:
    """Count the calls, other than replayed and repeated ones, that come after a newer one of their property."""
    newest: dict[Property, int] = {}
    count = 0
    for call in calls(replace(plan, repeated=0.0)):
        if call.email is not None and not is_replayed(call):
            count += call.timestamp_ms < newest.get(call.of, 0)
            newest[call.of] = max(call.timestamp_ms, newest.get(call.of, 0))
    return count


@given(lives())
@settings(deadline=None)
def test_the_real_reader_agrees(plan: Life) -> None:
    """Each call is read as its contact on its day with its one property, or refused for want of an e-mail."""
    for sent in delivery.events(plan):
        found, call = segment.read(sent.body, plan.start_ms + plan.hours * life.HOUR_MS), told(sent)
        if isinstance(found, Rejection):
            assert (found.reason, sent.reason) == (Reason.MISSING_EMAIL, Reason.MISSING_EMAIL)
            assert call.email is None
        else:
            assert sent.reason is None
            assert (found.email, timestamps.day(found.timestamp_ms, plan.zone)) == (sent.contact, sent.day)
            assert [(change.name, change.value) for change in found.changes] == [(call.name, call.value)]


@given(lives())
@settings(deadline=None)
def test_everything_arrives(plan: Life) -> None:
    """What arrives is the history, each call as it is when nothing is late or comes again; the rest is replayed."""
    arrived = {event.body: told(event) for event in delivery.events(plan)}
    once = {event.body for event in delivery.events(replace(plan, out_of_order=0.0, repeated=0.0, replays=0))}
    assert len(once) == sum(1 for _ in life.history(plan))
    assert {body for body, call in arrived.items() if not is_replayed(call)} == once


@given(lives())
@settings(deadline=None)
def test_the_same_life_gives_the_same_bytes(plan: Life) -> None:
    assert list(delivery.events(plan)) == list(delivery.events(plan))


def test_another_seed_gives_other_calls_of_the_same_contacts() -> None:
    one, other = (list(delivery.events(Life(50, START_MS, seed=seed))) for seed in (1, 2))
    assert {event.contact for event in one} == {event.contact for event in other}
    assert not {event.body for event in one} & {event.body for event in other}


def test_calls_look_like_engage() -> None:
    """Engage's fields; a call for an identifier names that, with or without an e-mail; values of every kind."""
    found = calls(WHOLE)
    assert {call.event["type"] for call in found} == {"identify"}
    assert {call.event["sentAt"] for call in found} == {None}
    assert all(call.event["messageId"].startswith("personas_") for call in found)
    assert all(len(call.event["originalTimestamp"]) == len("2026-11-23T11:45:00.123456789Z") for call in found)
    personas = [call.event["context"]["personas"] for call in found]
    assert {one["computation_class"] for one in personas} == {"audience", "trait", "journey_step"}
    assert {one["computation_id"][:4] for one in personas} == {"aud_", "tra_"}
    assert {type(call.value) for call in found} == {bool, int, float, str, type(None)}
    assert {("userId" in call.event, "anonymousId" in call.event) for call in found} == {(True, False), (False, True)}
    assert {("userId" in call.event, call.email is None) for call in found} == {
        (has_user, has_none) for has_user in (True, False) for has_none in (True, False)
    }


def test_two_addresses_of_one_person_are_two_calls() -> None:
    addresses: dict[str, set[str | None]] = {}
    for call in calls(ORDERLY):
        if "userId" in call.event:
            addresses.setdefault(call.event["userId"], set()).add(call.email)
    several = sum(len(found) == 2 for found in addresses.values())
    assert 0.15 < several / len(addresses) < 0.25


def test_a_message_id_is_of_one_call_and_the_calls_that_repeat_it() -> None:
    """The same call replayed differs in nothing but its integrations."""
    by_id: dict[str, Told] = {}
    for call in calls(WHOLE):
        event = {name: value for name, value in call.event.items() if name != "integrations"}
        first = by_id.setdefault(event["messageId"], call._replace(event=event))
        assert first.event == event


def test_a_resync_has_new_timestamps_and_ids() -> None:
    """All members of that hour come again with calls of their own."""
    (hour,) = WHOLE.resync_hours
    begins_ms = START_MS + hour * life.HOUR_MS
    found = [call for call in calls(ORDERLY) if begins_ms <= call.timestamp_ms < begins_ms + life.HOUR_MS]
    before = {call.event["messageId"] for call in calls(ORDERLY) if call.timestamp_ms < begins_ms}
    assert {call.value for call in found} == {True}
    assert len({call.event.get("userId") for call in found} - {None}) == WHOLE.members
    assert before.isdisjoint(call.event["messageId"] for call in found)


def test_a_replay_sends_old_calls_once_more() -> None:
    """The first half of the hours until then, whole; properties that changed since would be set back."""
    plan = replace(ORDERLY, replays=1)
    (after,) = delivery.replay_hours(plan)
    arrived = calls(plan)
    first = next(place for place, call in enumerate(arrived) if is_replayed(call))
    newest_before_ms = max(call.timestamp_ms for call in arrived[:first])
    assert newest_before_ms < START_MS + (after + 1) * life.HOUR_MS
    again = [call for call in arrived if is_replayed(call)]
    half_ms = START_MS + (after // 2 + 1) * life.HOUR_MS
    history = [call for call in arrived if not is_replayed(call) and call.timestamp_ms < half_ms]
    assert [call.event["messageId"] for call in again] == [call.event["messageId"] for call in history]
    last: dict[Property, object] = {call.of: call.value for call in arrived[:first] if call.email}
    assert sum(last[call.of] != call.value for call in again if call.email) > 100


def test_replays_lie_evenly_in_a_life() -> None:
    assert delivery.replay_hours(replace(WHOLE, replays=2)) == [12, 24]
    assert delivery.replay_hours(replace(WHOLE, deltas=0, resyncs=0, replays=2)) == [0, 0]


def test_late_calls_come_after_newer_ones_of_the_same_property() -> None:
    """A fair part of those held back is overtaken by its own property; without the share none is."""
    sendings = list(delivery.sent(WHOLE))
    made = [sending for sending in sendings if not sending.replayed]
    late = sum(sending.is_late for sending in made)
    assert 0.04 < late / len(made) < 0.06
    assert after_newer(WHOLE) > late / 5
    assert after_newer(ORDERLY) == 0


def test_late_calls_come_late_among_others_too() -> None:
    """Half of them come in an hour later than their own."""
    hour, late = 0, 0
    for sending in delivery.arrivals(replace(WHOLE, replays=0, repeated=0.0)):
        late += sending.notice.hour < hour
        hour = max(hour, sending.notice.hour)
    assert late > sum(sending.is_late for sending in delivery.sent(WHOLE)) / 2


def test_repeated_calls_are_the_same_bytes_a_while_after() -> None:
    arrived = [event.body for event in delivery.events(WHOLE)]
    first: dict[bytes, int] = {}
    gaps = [place - first[body] for place, body in enumerate(arrived) if first.setdefault(body, place) != place]
    assert 0.04 < len(gaps) / len(first) < 0.06
    assert sorted(gaps)[len(gaps) // 2] > 20


def test_identifies_are_never_of_the_future() -> None:
    """No timestamp lies after the end of the life, nor does a receipt."""
    end_ms = START_MS + WHOLE.hours * life.HOUR_MS
    for sent in delivery.events(WHOLE):
        found = segment.read(sent.body, end_ms)
        assert not isinstance(found, Identify) or found.timestamp_ms < end_ms
        assert (timestamps.parse(told(sent).event["receivedAt"]) or 0) < end_ms
