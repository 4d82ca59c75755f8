"""Which events become interactions, before and after the claims are asked."""

import pytest

from processor.decide import Candidate, ContactDay, collapse, winners
from processor.records import Record
from schemas.identify import Identify


def candidate(offset: int, email: str, timestamp_ms: int = 0, workspace: str = "w") -> Candidate:
    identify = Identify(email=email, timestamp_ms=timestamp_ms, url=None, event=None, message_id=None)
    return Candidate(Record(0, offset, None, b"", workspace, None, 0), identify)


def mark(record: Record) -> bytes:
    return b"%d" % record.offset


def test_events_of_one_contact_day_are_asked_for_once() -> None:
    """In the order of the batch; the workspace says which day it is, and one contact in two of them is two."""
    first, again, other, late = candidate(0, "a"), candidate(1, "a", 5), candidate(2, "b"), candidate(3, "a", 10)
    elsewhere = candidate(4, "a", 5, "late riser")
    found = collapse([first, other, again, late, elsewhere], lambda name, instant: instant // 10 - (name != "w"))
    assert list(found.items()) == [
        (ContactDay("w", "a", 0), [first, again]),
        (ContactDay("w", "b", 0), [other]),
        (ContactDay("w", "a", 1), [late]),
        (ContactDay("late riser", "a", -1), [elsewhere]),
    ]


@pytest.mark.parametrize(("holder", "winner"), [(None, 5), (b"5", 5), (b"6", 6), (b"7", 7), (b"4", None)])
def test_the_owner_of_the_claim_is_emitted(holder: bytes | None, winner: int | None) -> None:
    """The first where the claim was free, whichever of the siblings had made it before, none where another has it."""
    contact_day = ContactDay("w", "a", 0)
    siblings = {contact_day: [candidate(offset, "a") for offset in (5, 6, 7)]}
    found = winners(siblings, [holder], mark)
    assert [each.record.offset for each in found.values()] == ([] if winner is None else [winner])
    assert set(found) <= {contact_day}
