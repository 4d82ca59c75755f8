"""A batch of records as rows, before they are written. Pure.

Of several records of one interaction only the last one counts. Property changes are kept in their order, since each
of them may be an entry or an exit.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from schemas.forgotten import Forgotten

Row = Mapping[str, Any]
Place = tuple[str, int]


class Change(NamedTuple):
    """A record of contact.traits; `value` is JSON. A tombstone has its property's key, and None for everything else."""

    property_key: str
    contact_key: str | None = None
    workspace: str = ""
    name: str = ""
    kind: str = ""
    value: str = ""
    membership: bool | None = None
    at_ms: int = 0
    message_id: str | None = None
    source_partition: int = 0
    source_offset: int = 0


class Interaction(NamedTuple):
    """A row of `interactions`, in the order of its columns; instants are epoch ms, the day is text in ISO format."""

    interaction_id: str
    contact_key: str
    workspace: str
    day: str
    at_ms: int
    description: str
    described_by: str
    url: str | None
    event: str | None
    message_id: str | None
    received_at_ms: int | None
    emitted_at_ms: int
    source_partition: int
    source_offset: int
    record_partition: int
    record_offset: int


class Named(NamedTuple):
    """A row of `contacts`."""

    contact_key: str
    workspace: str
    email: str


class Reach(NamedTuple):
    """How much of a partition a batch is: from an offset to before another, and where the partition ends."""

    first: int
    upto: int
    end: int
    topic_id: str


class Mark(NamedTuple):
    """A mark of `daymark forget`: its partition, what it says, and when it was written, in epoch ms."""

    partition: int
    said: Forgotten
    written_ms: int


class Batch:
    """Rows to be written in one transaction.

    Attributes:
        contacts: every contact that the rows name, by key.
        interactions: by id.
        forgotten: of the interactions whose last record is a tombstone: when that was written, in epoch ms.
        changes: of properties, in order.
        rejections: dead letters.
        resent: places of dead letters that were sent again.
        marks: of what was forgotten; they outlive the tombstones.
        reach: of each partition.
    """

    def __init__(self) -> None:
        self.contacts: dict[str, Named] = {}
        self.interactions: dict[str, Interaction] = {}
        self.forgotten: dict[str, int] = {}
        self.changes: list[Change] = []
        self.rejections: list[Row] = []
        self.resent: list[tuple[int, int]] = []
        self.marks: list[Mark] = []
        self.reach: dict[Place, Reach] = {}

    def interaction(self, row: Interaction, email: str) -> None:
        """Add an interaction."""
        identity, key = row[0], row[1]
        self.interactions[identity] = row
        if key not in self.contacts:
            self.contacts[key] = Named(key, row[2], email)
        if self.forgotten:
            self.forgotten.pop(identity, None)

    def forget(self, interaction_id: str, at_ms: int) -> None:
        """Add an interaction's tombstone."""
        self.interactions.pop(interaction_id, None)
        self.forgotten[interaction_id] = at_ms

    def change(self, change: Change, email: str = "") -> None:
        """Add a property's change, or its tombstone."""
        self.changes.append(change)
        if change.contact_key is not None:
            self.contacts[change.contact_key] = Named(change.contact_key, change.workspace, email)
