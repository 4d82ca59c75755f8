"""Which events become interactions, before and after the claims are asked."""

import pytest

from processor.decide import Candidate, Candidates, ContactDay, collapse, winners
from processor.recent_winners import RecentWinners
from processor.records import Record
from schemas import zones
from schemas.identify import Identify
from schemas.timestamps import MILLISECONDS_A_DAY as DAY_MS
from schemas.workspace import Workspace


def candidate(offset: int, email: str, timestamp_ms: int = 0, workspace: str = "w") -> Candidate:
    identify = Identify(email=email, timestamp_ms=timestamp_ms, message_id=None)
    return Candidate(Record(0, offset, None, b"", workspace, None, 0), identify)


def mark(record: Record) -> bytes:
    return b"%d" % record.offset


def collapsed(candidates: list[Candidate], winners: RecentWinners) -> Candidates:
    workspaces = {"w": Workspace("w"), "late riser": Workspace("late riser", zone=zones.find("Pacific/Honolulu"))}
    records = [each.record for each in candidates]
    return collapse(records, [each.identify for each in candidates], workspaces, winners.contacts)


def test_events_of_one_contact_day_are_asked_for_once() -> None:
    """In the order of the batch; the workspace says which day it is, and one contact in two of them is two."""
    first, again, other, late = candidate(0, "a"), candidate(1, "a", 5), candidate(2, "b"), candidate(3, "a", DAY_MS)
    elsewhere = candidate(4, "a", 5, "late riser")
    assert list(collapsed([first, other, again, late, elsewhere], RecentWinners()).items()) == [
        (ContactDay("w", "a", 0), [first, again]),
        (ContactDay("w", "b", 0), [other]),
        (ContactDay("w", "a", 1), [late]),
        (ContactDay("late riser", "a", -1), [elsewhere]),
    ]


def test_events_of_a_committed_contact_day_are_no_candidates() -> None:
    """Only those of that very workspace, contact and day."""
    winners = RecentWinners()
    winners.add([ContactDay("w", "a", 0)])
    others = [candidate(1, "b"), candidate(2, "a", DAY_MS), candidate(3, "a", 0, "late riser")]
    assert list(collapsed([candidate(0, "a"), *others], winners).values()) == [[each] for each in others]


@pytest.mark.parametrize(("holder", "winner"), [(None, 5), (b"5", 5), (b"6", 6), (b"7", 7), (b"4", None)])
def test_the_owner_of_the_claim_is_emitted(holder: bytes | None, winner: int | None) -> None:
    """The first where the claim was free, whichever of the siblings had made it before, none where another has it."""
    contact_day = ContactDay("w", "a", 0)
    siblings = {contact_day: [candidate(offset, "a") for offset in (5, 6, 7)]}
    found = winners(siblings, [holder], mark)
    assert [each.record.offset for each in found.values()] == ([] if winner is None else [winner])
    assert set(found) <= {contact_day}
