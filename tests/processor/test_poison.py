"""Whatever a record of segment.events holds, something that fits its topic comes of it."""

from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import KafkaError, Message
from hypothesis import example, given
from hypothesis import strategies as st

from processor.breaker import Breaker
from processor.message import to_record
from processor.outputs import ROOM_BYTES, Codecs
from processor.plan import Planner
from processor.records import Batch
from schemas import avro
from schemas.topics import Topics
from schemas.workspace import Workspaces
from tests.fakes import FakeClaims
from tests.processor.drivers import came
from tests.processor.member import Member, message, messages

OPEN_EVENT = b'{"type":"identify","timestamp":"2020-05-31","traits":{"email":"a@x.org"},"event":"'


def planned(record: Any) -> Any:
    planner = Planner(
        FakeClaims(),
        workspaces=Workspaces,
        topics=Topics(),
        codecs=Codecs(avro.INTERACTION, avro.TRAIT, avro.REJECTED),
        breaker=Breaker(100, 10),
    )
    return planner.plan(Batch([to_record(record, 0, 0)], "m", b"mark"))


def foreign(key: bytes | None, value: bytes | None, headers: Any, timestamp: int = 7) -> Any:
    return SimpleNamespace(
        key=lambda: key, value=lambda: value, headers=lambda: headers, timestamp=lambda: (1, timestamp)
    )


lengths = st.integers(0, 3000) | st.sampled_from(
    [4095, 4096, 4097, 32_767, 32_769, 480_000, 540_000, 1_048_588, 3 << 20]
)
filled = st.builds(lambda length, byte: bytes([byte]) * length, lengths, st.integers(0, 255))
values = st.none() | filled | st.builds(lambda body: OPEN_EVENT + body + b'"}', filled)
headers = st.none() | st.lists(
    st.tuples(st.sampled_from(["workspace", "received_at", "other", ""]), st.none() | filled), max_size=4
)


@given(st.none() | filled, values, headers, st.sampled_from([-1, 0, 7, 2**63 - 1]))
@example(b"k" * 480_000, b"v" * 540_000, None, 7)
@example(b"", OPEN_EVENT + b'"}', [("workspace", b"w" * 1_000_000)], 7)
@example(b"", OPEN_EVENT + b'"}', [("workspace", b"w" * 1_000_000), ("received_at", b"5")], 7)
def test_any_record_becomes_records_that_fit(
    key: bytes | None, value: bytes | None, headers: Any, timestamp: int
) -> None:
    plan = planned(foreign(key, value, headers, timestamp))
    assert len(plan.outputs) == 1
    assert all(len(output.key or b"") + len(output.value) <= ROOM_BYTES for output in plan.outputs)


@pytest.mark.parametrize(
    "fault", [SystemError("a result with an exception set"), UnicodeDecodeError("utf-8", b"", 0, 1, "")]
)
def test_headers_that_are_no_text_reject_the_record(fault: Exception) -> None:
    """The driver decodes the names of headers, and fails on one that is not UTF-8."""

    def headers() -> None:
        raise fault

    record = foreign(b"k", OPEN_EVENT + b'"}', None)
    record.headers = headers
    assert planned(record).results == {"emitted": 0, "duplicate": 0, "malformed_json": 1}


def test_a_rejection_says_what_it_leaves_out() -> None:
    """Of a key and a value that do not fit together, the beginning of each is kept."""
    (output,) = planned(foreign(b"k" * 480_000, b"v" * 540_000, None)).outputs
    fields = avro.decode(output.value)[1]
    assert (output.key, fields["raw"]) == (b"k" * 4096, b"v" * 524_288)
    assert "480000" in fields["message"]
    assert "540000" in fields["message"]


def unreadable(offset: int) -> Message:
    return message(0, offset, error=KafkaError(KafkaError._BAD_COMPRESSION))


def test_what_cannot_be_decompressed_is_rejected_and_skipped() -> None:
    """One record at a time: the driver does not say how many its batch holds, and says the same again meanwhile."""
    member = Member()
    found = member.play(came(0, 1), *messages(0, 3), unreadable(4), unreadable(4), *messages(1, 0))
    assert found is not None
    assert [(r.partition, r.offset, r.refusal is not None) for r in found.records] == [
        (0, 3, False),
        (0, 4, True),
        (1, 0, False),
    ]
    assert member.sought() == [(0, 5)]
    member.source.committed(found)
    assert member.read(unreadable(4)) == [(0, 5)]
    assert member.sought() == [(0, 5), (0, 6)]
    member.source.rewind(member.play(*messages(0, 7)) or pytest.fail("no batch"))  # a gap is none of its business


@pytest.mark.parametrize(("committed", "skipped"), [({0: 6}, 6), ({}, 4)])
def test_what_cannot_be_decompressed_is_skipped_from_the_committed_offset(
    committed: dict[int, int], skipped: int
) -> None:
    """The driver names the first offset of the batch, which may be committed already."""
    member = Member()
    member.driver.group_offsets = committed
    assert member.read(came(0), unreadable(4)) == [(0, skipped)]
    assert member.sought() == [(0, skipped + 1)]
