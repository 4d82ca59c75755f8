"""Which events become interactions. Pure: the worker makes the claims between `collapse` and `winners`.

Of several events of one contact-day in a batch only the first asks Redis. An event is emitted if it owns the claim. If
the owner is one of the collapsed siblings (it claimed, then its transaction was lost and the group was reset to an
earlier offset), that sibling is emitted. With any other owner, all of them are duplicates.
"""

from collections.abc import Callable, Collection, Mapping, Sequence

import msgspec

from processor.records import Record
from schemas import timestamps
from schemas.identify import Identify
from schemas.workspace import Workspace


class ContactDay(msgspec.Struct, frozen=True, gc=False, cache_hash=True):
    """The deduplication key: one interaction per workspace, contact and day (since 1970-01-01)."""

    workspace: str
    email: str
    day: int


class Candidate(msgspec.Struct, frozen=True, gc=False):
    """An event that could become its contact-day's interaction."""

    record: Record
    identify: Identify


Candidates = dict[ContactDay, list[Candidate]]


def collapse(
    records: Sequence[Record],
    identifies: Sequence[Identify],
    workspaces: Mapping[str, Workspace],
    committed: Callable[[str, int], tuple[Collection[str], Collection[str]]],
) -> Candidates:
    """Return a batch's candidates for each contact-day, in the order of the batch.

    Args:
        records: the batch's readable records.
        identifies: what each of them says.
        workspaces: whose records they are, by name; each has its time zone.
        committed: returns two sets of contacts that already have the interaction of a day in a workspace: their events
            are duplicates and not candidates.
    """
    candidates: Candidates = {}
    place: tuple[str, int] | None = None
    for record, identify in zip(records, identifies, strict=True):
        workspace, email = record.workspace, identify.email
        day = timestamps.day(identify.timestamp_ms, workspaces[workspace].zone)
        if place != (workspace, day):
            place = workspace, day
            young, old = committed(workspace, day)
        if email in young or email in old:
            continue
        contact_day, candidate = ContactDay(workspace, email, day), Candidate(record, identify)
        siblings = candidates.get(contact_day)
        if siblings is None:
            candidates[contact_day] = [candidate]
        else:
            siblings.append(candidate)
    return candidates


def winners(
    candidates: Candidates, holders: Sequence[bytes | None], owner_of: Callable[[Record], bytes]
) -> Mapping[ContactDay, Candidate]:
    """Return the candidates to emit.

    Args:
        candidates: from `collapse`.
        holders: for each contact-day, in the same order: the owner that the store returned; None when the first
            candidate has just become the owner.
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
