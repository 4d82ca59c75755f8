"""Which events become interactions. Pure: the claims are asked by the worker, between `collapse` and `winners`.

Of several events of one contact-day in a batch only the first asks Redis. An event is emitted if it is the claim's
owner. Where the owner told is one of the collapsed siblings (it claimed, then its transaction was lost and the group
was reset further back), that sibling is emitted. Any other owner: all of them are duplicates.
"""

from collections.abc import Callable, Container, Mapping, Sequence

import msgspec

from processor.records import Record
from schemas.identify import Identify


class ContactDay(msgspec.Struct, frozen=True, gc=False):
    """What at most one interaction exists of. `day` is in days since 1970-01-01."""

    workspace: str
    email: str
    day: int


class Candidate(msgspec.Struct, frozen=True, gc=False):
    """An event that could become its contact-day's interaction."""

    record: Record
    identify: Identify


Candidates = dict[ContactDay, list[Candidate]]


def collapse(
    identifies: Sequence[Candidate], day_of: Callable[[str, int], int], committed: Container[ContactDay] = ()
) -> Candidates:
    """Return a batch's candidates for each contact-day, in the order of the batch.

    Args:
        identifies: the batch's readable events.
        day_of: (workspace, instant in epoch milliseconds) -> day.
        committed: contact-days that have their interaction: events of theirs are duplicates and no candidates.
    """
    candidates: Candidates = {}
    for candidate in identifies:
        workspace, identify = candidate.record.workspace, candidate.identify
        contact_day = ContactDay(workspace, identify.email, day_of(workspace, identify.timestamp_ms))
        if contact_day not in committed:
            candidates.setdefault(contact_day, []).append(candidate)
    return candidates


def winners(
    candidates: Candidates, holders: Sequence[bytes | None], owner_of: Callable[[Record], bytes]
) -> Mapping[ContactDay, Candidate]:
    """Return the candidates to emit.

    Args:
        candidates: from `collapse`.
        holders: for each contact-day, in the same order: the owner that the store told; None when the first
            candidate has just become it.
        owner_of: a record's owner mark.
    """
    emitted: dict[ContactDay, Candidate] = {}
    for (contact_day, siblings), holder in zip(candidates.items(), holders, strict=True):
        winner = siblings[0] if holder is None else _owner(siblings, holder, owner_of)
        if winner is not None:
            emitted[contact_day] = winner
    return emitted


def _owner(siblings: list[Candidate], holder: bytes, owner_of: Callable[[Record], bytes]) -> Candidate | None:
    return next((candidate for candidate in siblings if owner_of(candidate.record) == holder), None)
