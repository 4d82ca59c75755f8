"""Which store this is, and whether it still has what it acknowledged."""

import pytest

from processor.errors import Fatal
from processor.sentinel import Identity, Marks, Note, is_other, newest

NAME, OTHER = "0123456789abcdef", "fedcba9876543210"
WEEK_S = 7 * 86_400.0


def mark(call: int) -> bytes:
    return call.to_bytes(6, "big")


def test_an_identity_reads_what_it_wrote() -> None:
    """With a Kafka cluster and without."""
    for kafka in ("m5bVrvXuWL4PIlieOrGDbg", None):
        identity = Identity.new(kafka, 1_795_000_000)
        assert Identity.unpacked(identity.packed()) == identity


@pytest.mark.parametrize("value", [b"", b"1 x y z", b"\xff\xfe", b"2 0123456789abcdef k 1"])
def test_a_foreign_value_is_refused(value: bytes) -> None:
    """Another application's key, or a later version's."""
    with pytest.raises(Fatal, match="separate database"):
        Identity.unpacked(value)


@pytest.mark.parametrize(
    ("before", "kafka", "moved_from", "after"),
    [
        ("a", "a", None, "a"),
        ("-", "a", None, "a"),  # made by a worker that did not know it
        ("a", None, None, "a"),  # a Kafka without ids
        ("a", "b", "a", "b"),  # moved
        ("b", "b", "a", "b"),  # moved before
        ("a", "b", None, None),
        ("a", "b", "c", None),
    ],
)
def test_claims_are_one_kafka_clusters(
    before: str, kafka: str | None, moved_from: str | None, after: str | None
) -> None:
    """Another one is refused with both names and what to do, unless somebody says that the topics were moved."""
    identity = Identity(NAME, before, 0)
    if after is None:
        with pytest.raises(Fatal, match=r"\(a; this one is b\).*TOPIC_PREFIX.*DAYMARK_CLAIMS_MOVED_FROM=a"):
            identity.claimed_for(kafka, moved_from)
    else:
        assert identity.claimed_for(kafka, moved_from) == Identity(NAME, after, 0)


def test_the_newest_note_counts() -> None:
    """Partitions that stood still name a store that was left long ago; what is no note is nothing."""
    notes = [Note(NAME, 5).text(), Note(OTHER, 7).text(), Note(NAME, 6).text()]
    assert newest(["", None, "a tool's own", *notes]) == Note(OTHER, 7)
    assert newest(["", None]) is None


def test_another_store_matters_while_claims_live() -> None:
    """After that all claims of the last one have expired."""
    found = Identity(NAME, "-", 0)
    assert is_other(found, Note(OTHER, 1_000_000), 1_000 + WEEK_S - 1, WEEK_S)
    assert not is_other(found, Note(OTHER, 1_000_000), 1_000 + WEEK_S, WEEK_S)
    assert not is_other(found, Note(NAME, 1_000_000), 1_001, WEEK_S)
    assert not is_other(found, None, 1_001, WEEK_S)


def test_marks_that_are_where_they_were_left() -> None:
    """The first call finds none, each later one the one before."""
    marks = Marks(WEEK_S)
    assert marks.next() == mark(1)
    assert marks.acknowledged([7], [None]) is None
    assert marks.next() == mark(2)
    assert marks.acknowledged([7], [mark(1)]) is None


def test_a_lost_answer_is_no_loss() -> None:
    """The call was made twice and meets its own mark, or one was given up and may have left a higher one."""
    marks = Marks(WEEK_S)
    marks.next()
    assert marks.acknowledged([7], [None]) is None
    marks.next()  # given up: nobody knows whether it was taken
    marks.next()
    assert marks.acknowledged([7], [mark(3)]) is None
    marks.next()
    assert marks.acknowledged([7], [mark(3)]) is None


@pytest.mark.parametrize(("found", "happened"), [(None, "emptied"), (mark(1), "older")])
def test_a_mark_that_went(found: bytes | None, happened: str) -> None:
    """It is reported once: the next call starts anew, even next to other tags."""
    marks = Marks(WEEK_S)
    for before in (None, mark(1)):
        marks.next()
        assert marks.acknowledged([7, 8], [before, before]) is None
    marks.next()
    assert marks.acknowledged([7], [found]) == happened
    marks.next()
    assert marks.acknowledged([7, 8], [mark(3), None]) is None


def test_a_mark_that_expired_is_no_loss() -> None:
    """Who was idle for a claim's lifetime has no claims to lose."""
    now = [0.0]
    marks = Marks(WEEK_S, lambda: now[0])
    marks.next()
    assert marks.acknowledged([7], [None]) is None
    now[0] = WEEK_S
    marks.next()
    assert marks.acknowledged([7], [None]) is None
