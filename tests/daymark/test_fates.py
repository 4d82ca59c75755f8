"""What became of an event, judged from records alone."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from daymark.auditing.records import Output, Raw
from daymark.auditing.truth import Truth, trait_key
from daymark.inquiry import report
from daymark.inquiry.fates import Evidence, Found, Record, Standing, Verdict, fate
from daymark.inquiry.search import Answer, Question
from schemas import rejections
from schemas.identify import Identify
from schemas.workspace import Workspaces

EMAIL, NOW_MS = "ana@example.org", 1_600_000_000_000
TRUTH = Truth(Workspaces())


def event(offset: int, hour: int = 12, **traits: Any) -> Found:
    personas = {"computation_class": "audience", "computation_key": "vip"}
    body = {
        "type": "identify",
        "messageId": f"m{offset}",
        "timestamp": f"2020-05-01T{hour:02}:00:00Z",
        "traits": {"email": EMAIL, **traits},
        "context": {"personas": personas} if traits else {},
    }
    raw = Raw(0, offset, EMAIL.encode(), json.dumps(body).encode(), "w", NOW_MS, NOW_MS)
    return Found(raw, TRUTH.read(raw))


def record(of: Found, at: int) -> Record:
    """Return the record that came of an event."""
    assert isinstance(of.read, Identify)
    fields = {
        "source_partition": of.raw.partition,
        "source_offset": of.raw.offset,
        "timestamp": of.read.timestamp_ms,
        "message_id": of.read.message_id,
        "received_at": NOW_MS,
    }
    return Record(Output(0, at, None, fields), NOW_MS)


def identity(of: Found) -> bytes:
    assert isinstance(of.read, Identify)
    return TRUTH.contact_day(of.raw, of.read)[0].encode()


def evidence(
    stands: int,
    interactions: Mapping[bytes, Sequence[Record]] | None = None,
    traits: Sequence[Record] = (),
    rejections: Mapping[tuple[int, int], Record] | None = None,
) -> Evidence:
    return Evidence({0: stands}, interactions or {}, {trait_key("w", EMAIL, "vip"): traits}, rejections or {})


def test_one_that_is_committed_and_left_no_trace_is_missing() -> None:
    found = event(4, vip=True)
    told = fate(found, evidence(5), TRUTH)
    assert (told.verdict, told.ahead, told.properties[0].standing) == (Verdict.MISSING, 0, Standing.MISSING)
    told = fate(found, evidence(2), TRUTH)
    assert (told.verdict, told.ahead, told.properties[0].standing) == (Verdict.UNREAD, 3, Standing.UNREAD)


def test_of_a_day_that_was_emitted_twice_each_names_itself_and_others_the_first() -> None:
    first, second, third = event(1), event(2), event(3)
    interactions = {identity(first): [record(first, 0), record(second, 1)]}
    told = [fate(each, evidence(9, interactions), TRUTH) for each in (first, second, third)]
    assert [each.verdict for each in told] == [Verdict.TAKEN, Verdict.TAKEN, Verdict.DUPLICATE]
    assert [each.winner.source for each in told if each.winner] == ["0:1", "0:2", "0:1"]


def test_what_is_recorded_comes_before_what_the_rules_say_now() -> None:
    """Rejected by an earlier format, the event is rejected, though it reads well today."""
    found = event(1)
    said = {"reason": "missing_email", "message": "Missing email address"}
    told = fate(found, evidence(9, rejections={(0, 1): Record(Output(2, 7, None, said), NOW_MS)}), TRUTH)
    assert (told.verdict, told.reason, told.rejected_at) == (Verdict.REJECTED, "missing_email", "2:7")
    unrecorded = fate(Found(found.raw, rejections.MISSING_EMAIL), evidence(9), TRUTH)
    assert (unrecorded.verdict, unrecorded.reason) == (Verdict.MISSING, "missing_email")


def test_a_change_is_superseded_by_a_later_time_not_by_a_later_record() -> None:
    noon, evening, morning = event(1, 12, vip=True), event(2, 18, vip=False), event(3, 9, vip=True)

    def standing(of: Found, *records: Record) -> Standing:
        return fate(of, evidence(9, traits=records), TRUTH).properties[0].standing

    assert standing(evening, record(noon, 0), record(evening, 1)) is Standing.CURRENT
    assert standing(noon, record(noon, 0), record(evening, 1)) is Standing.SUPERSEDED
    assert standing(morning, record(evening, 1)) is Standing.SUPERSEDED  # never emitted
    assert standing(evening, record(noon, 0)) is Standing.MISSING


def test_a_question_is_a_contact_or_an_id() -> None:
    assert Question.of("Ana@Example.ORG") == Question(email=EMAIL)
    assert Question.of("segment-test-message-1") == Question(message_id="segment-test-message-1")


def test_a_property_is_written_as_in_json() -> None:
    """As the event has it and as the pages show it."""
    lines = report.as_lines(
        Question(EMAIL), "daymark", Answer((fate(event(1, vip=True), evidence(0), TRUTH),), 0, (), {}, 0, (0,), 0)
    )
    assert any(line.lstrip().startswith("property vip = true: ") for line in lines)
