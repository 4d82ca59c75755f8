"""What an audit can find: the closed list of findings, the other counts, and the tally of a run."""

from collections import Counter
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Final

import msgspec

from schemas import lanes


class Finding(StrEnum):
    """A difference between what segment.events requires and what is committed."""

    LOST = "lost"
    DOUBLED = "doubled"
    WRONG_WINNER = "wrong_winner"
    WRONG_DAY = "wrong_day"
    WRONG_CONTENT = "wrong_content"
    UNKNOWN = "unknown"
    REJECTION_MISSING = "rejection_missing"
    REJECTION_EXTRA = "rejection_extra"
    REJECTION_DOUBLED = "rejection_doubled"
    REJECTION_WRONG = "rejection_wrong"
    TRAIT_MISSING = "trait_missing"
    TRAIT_STALE = "trait_stale"
    TRAIT_WRONG = "trait_wrong"
    TRAIT_UNKNOWN = "trait_unknown"
    RETURNED = "returned"
    REEMITTED = "reemitted"
    UNREADABLE = "unreadable"


MEANINGS: Final[Mapping[Finding, str]] = {
    Finding.LOST: "a contact-day without an interaction",
    Finding.DOUBLED: "a contact-day with more than one interaction",
    Finding.WRONG_WINNER: "an interaction from an event that was not the contact-day's first",
    Finding.WRONG_DAY: "an interaction on a different day than its event",
    Finding.WRONG_CONTENT: "an interaction whose content differs from its event",
    Finding.UNKNOWN: "an interaction from an event that should be rejected or does not exist",
    Finding.REJECTION_MISSING: "an unacceptable event that is not in segment.rejected",
    Finding.REJECTION_EXTRA: "a rejection of an event that is acceptable or does not exist",
    Finding.REJECTION_DOUBLED: "an event with more than one rejection",
    Finding.REJECTION_WRONG: "a rejection with the wrong reason or bytes",
    Finding.TRAIT_MISSING: "a property that changed but is not in contact.traits",
    Finding.TRAIT_STALE: "a property whose last record is not its newest change",
    Finding.TRAIT_WRONG: "a property whose last record differs from its event",
    Finding.TRAIT_UNKNOWN: "a property that no event sets",
    Finding.RETURNED: "a forgotten contact-day or property that was emitted again",
    Finding.REEMITTED: "a record emitted again though the group was not set back (found by --follow alone)",
    Finding.UNREADABLE: "a value that does not have its topic's schema",
}


# What is probably misconfigured when a finding has many instances, most likely first; no setting explains the others.
SETTINGS: Final[Mapping[Finding, tuple[str, ...]]] = {
    Finding.DOUBLED: ("DAYMARK_CLAIM_KEY", "DAYMARK_CLAIM_DAYS", "DAYMARK_REDIS", "DAYMARK_WORKSPACES"),
    Finding.WRONG_WINNER: ("DAYMARK_CLAIM_KEY", "DAYMARK_CLAIM_DAYS", "DAYMARK_REDIS"),
    Finding.WRONG_DAY: ("DAYMARK_WORKSPACES",),
    Finding.WRONG_CONTENT: ("DAYMARK_WORKSPACES",),
    Finding.UNKNOWN: ("DAYMARK_WORKSPACES", "DAYMARK_TOPIC_PREFIX"),
    Finding.LOST: ("DAYMARK_REDIS", "DAYMARK_CLAIM_KEY", "DAYMARK_GROUP", "DAYMARK_TOPIC_PREFIX"),
    Finding.REJECTION_MISSING: ("DAYMARK_WORKSPACES", "DAYMARK_GROUP"),
    Finding.REJECTION_EXTRA: ("DAYMARK_WORKSPACES",),
    Finding.REJECTION_WRONG: ("DAYMARK_WORKSPACES",),
    Finding.TRAIT_MISSING: ("DAYMARK_WORKSPACES", "DAYMARK_REDIS", "DAYMARK_GROUP"),
    Finding.TRAIT_STALE: ("DAYMARK_CLOCK_DAYS", "DAYMARK_REDIS", "DAYMARK_CLAIM_KEY"),
    Finding.TRAIT_WRONG: ("DAYMARK_WORKSPACES",),
    Finding.TRAIT_UNKNOWN: ("DAYMARK_WORKSPACES", "DAYMARK_TOPIC_PREFIX"),
    Finding.UNREADABLE: ("DAYMARK_SCHEMA_REGISTRY", "DAYMARK_TOPIC_PREFIX"),
}


class Count(StrEnum):
    """What is counted without being a fault.

    Records that were emitted again are those a replay leaves: the same record of the same event. Out of reach are
    events before the range, not yet judged those after it.
    """

    CONTACT_DAYS = "contact_days"
    INTERACTIONS_AGAIN = "interactions_emitted_again"
    REJECTIONS_AGAIN = "rejections_emitted_again"
    REJECTIONS_OF_INGEST = "rejections_of_ingest"
    PROPERTIES = "properties"
    FORGOTTEN = "forgotten"
    OUT_OF_REACH = "records_out_of_reach"
    NOT_YET = "records_not_yet_judged"


class Example(msgspec.Struct, frozen=True, omit_defaults=True):
    """One instance of a finding: coordinates and ids, no personal data.

    `source` is the partition and offset in segment.events, `at` those of the output record, `fields` what differs.
    """

    source: str | None = None
    at: str | None = None
    interaction_id: str | None = None
    fields: tuple[str, ...] = ()
    why: str | None = None


class Fault(msgspec.Struct, frozen=True):
    """A finding, and an example of it."""

    finding: Finding
    example: Example


class Counted(msgspec.Struct, frozen=True):
    """A count, and by how much it grows."""

    count: Count
    times: int = 1


Note = Fault | Counted


class Tally:
    """The findings of a run: their number, and the first few of each."""

    def __init__(self, most_examples: int) -> None:
        self.faults: Counter[Finding] = Counter()
        self.counts: Counter[Count] = Counter()
        self.examples: dict[Finding, list[Example]] = {}
        self._most = most_examples

    @property
    def is_sound(self) -> bool:
        """Whether there are no findings."""
        return not self.faults

    def take(self, notes: Iterable[Note]) -> None:
        """Count the verdicts of `judging`."""
        for note in notes:
            if isinstance(note, Counted):
                self.counts[note.count] += note.times
                continue
            self.faults[note.finding] += 1
            examples = self.examples.setdefault(note.finding, [])
            if len(examples) < self._most:
                examples.append(note.example)


def place(partition: int, offset: int) -> str:
    """Return a record's coordinates as `daymark tail` shows them, a raw one's of segment.backfill with its lane."""
    return lanes.place(partition, offset)
