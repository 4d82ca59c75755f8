"""Batches as the reader makes them, of few words."""

from datetime import date, timedelta
from typing import Any

from timeline.store.batches import Batch, Change, Interaction, Reach
from timeline.store.keys import ContactKeys, property_key

INTERACTIONS, TRAITS, REJECTED = "timeline.interactions", "contact.traits", "segment.rejected"
TODAY = date(2026, 11, 30)
HOUR_MS = 3_600_000
contact_key = ContactKeys(b"of the tests").of


def identity(email: str, ago: int, workspace: str = "demo") -> str:
    """Return the id of an interaction of so many days ago."""
    return f"{contact_key(workspace, email)}{ago:016}"


def interact(batch: Batch, email: str, ago: int = 0, workspace: str = "demo", **fields: Any) -> None:
    """Add an interaction of so many days ago."""
    row: dict[str, Any] = {
        "interaction_id": identity(email, ago, workspace),
        "contact_key": contact_key(workspace, email),
        "workspace": workspace,
        "day": (TODAY - timedelta(ago)).isoformat(),
        "at_ms": 1000,
        "description": "https://example.com",
        "described_by": "url",
        "url": "https://example.com",
        "event": None,
        "message_id": f"message-{ago}",
        "received_at_ms": 1001,
        "emitted_at_ms": 10_000_000,
        "source_partition": 5,
        "source_offset": 7,
        "record_partition": 5,
        "record_offset": 3,
    }
    batch.interaction(Interaction(**row | fields), email)


def change(email: str, value: str, at_ms: int, *, membership: bool | None = None, name: str = "vip") -> Change:
    """Return a change of a property: of an audience where there is a membership."""
    kind = "trait" if membership is None else "audience"
    key = property_key(f"demo {email} {name}".encode())
    return Change(key, contact_key("demo", email), "demo", name, kind, value, membership, at_ms, "m", 1, 2)


def member(batch: Batch, email: str, entered: bool, at_ms: int, name: str = "vip") -> None:  # noqa: FBT001
    """Add an entry into an audience, or an exit."""
    batch.change(change(email, "true" if entered else "false", at_ms, membership=entered, name=name), email)


def reject(
    batch: Batch, offset: int, *, reason: str = "missing_email", workspace: str = "demo", at_ms: int = 5
) -> None:
    """Add a dead letter of partition 0."""
    batch.rejections.append(
        {
            "record_partition": 0,
            "record_offset": offset,
            "reason": reason,
            "message": "Missing email address",
            "stage": "processor",
            "workspace": workspace,
            "raw": b'{"messageId": "lost-%d"}' % offset,
            "received_at_ms": None,
            "rejected_at_ms": at_ms,
            "source_partition": 0,
            "source_offset": offset,
            "resent": False,
        }
    )


def reaching(batch: Batch, first: int, upto: int, topic: str = INTERACTIONS, partition: int = 0) -> Batch:
    """Let a batch be a stretch of a partition."""
    batch.reach[topic, partition] = Reach(first, upto, upto, "id")
    return batch
