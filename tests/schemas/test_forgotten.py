"""The mark of what was forgotten."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.forgotten import Forgotten, Thing, next_event, property_identity
from schemas.lanes import BACKFILL

MARKS = st.builds(
    Forgotten,
    st.sampled_from(Thing),
    st.binary(min_size=16, max_size=16),
    st.integers(0, 2**63),
    st.integers(0, 2**63),
    st.integers(-(2**62), 2**62),
)


@given(MARKS)
def test_a_mark_reads_as_it_was_written(mark: Forgotten) -> None:
    assert Forgotten.unpacked(mark.packed()) == mark


@pytest.mark.parametrize("value", [b"", b"interaction", b"interaction:00:1:2:3", b"property:x:1:2:3", b"\xff", b"12"])
def test_what_others_write_is_no_mark(value: bytes) -> None:
    assert Forgotten.unpacked(value) is None


@given(st.binary())
def test_any_bytes_are_a_mark_or_none(value: bytes) -> None:
    found = Forgotten.unpacked(value)
    assert found is None or found.timestamp_ms is not None


def test_identities_say_nothing_in_clear() -> None:
    assert b"peter" not in property_identity(b'["w","peter@example.com","vip"]')


def test_a_mark_tells_the_lane_of_its_event() -> None:
    """Offsets of two topics are not compared: a mark says which of them its event was in."""
    for partition in (3, BACKFILL + 3):
        mark = Forgotten(Thing.PROPERTY, bytes(16), 1, next_event(partition, 41), 0)
        read = Forgotten.unpacked(mark.packed())
        assert read is not None
        assert read.next_place(3) == (partition, 42)
    assert next_event(3, 41) == 42  # as before there was a second lane
