"""What an event requires: the fields of its interaction, of its rejection and of its properties' records.

Written from the contract (sections 3 to 6) on top of `schemas`, independent of the processor: an audit could not find a
bug in code that both share. `Truth.read` is the one place that reads an event.
"""

from typing import Any, Final

import msgspec

from daymark.auditing.facts import INTERACTION_FIELDS
from daymark.auditing.records import Output, Raw
from schemas import lanes, segment, timestamps
from schemas.identify import Change, Identify
from schemas.interaction import interaction_id
from schemas.rejections import Rejection
from schemas.workspace import Workspace, Workspaces

_RAW_BYTES: Final = 512 * 1024  # of an event; a rejection holds no more of it
_KEY_BYTES: Final = 4 * 1024  # of its key, likewise


class Truth:
    """The workspaces as they are now, by which every event is read."""

    def __init__(self, workspaces: Workspaces) -> None:
        self._workspaces = workspaces
        self._known: dict[str, Workspace] = {}

    def workspace(self, name: str) -> Workspace:
        """Return a workspace; one that is not in the file has default settings."""
        found = self._known.get(name)
        if found is None:
            found = self._known[name] = self._workspaces.get(name)
        return found

    def read(self, raw: Raw) -> Identify | Rejection:
        """Return the identify in a raw record, or why there is none."""
        received_at_ms = raw.appended_ms if raw.received_at_ms is None else raw.received_at_ms
        return raw.refusal or segment.read(raw.value, received_at_ms, self.workspace(raw.workspace))

    def contact_day(self, raw: Raw, identify: Identify) -> tuple[str, int]:
        """Return the interaction id of an event's contact-day, and the day, in days since 1970-01-01."""
        day = timestamps.day(identify.timestamp_ms, self.workspace(raw.workspace).zone)
        return interaction_id(raw.workspace, identify.email, day), day

    def interaction(self, raw: Raw, identify: Identify, identity: str, day: int) -> tuple[Any, ...]:
        """Return the fields of an event's interaction, in the order of `facts.INTERACTION_FIELDS`."""
        workspace = self.workspace(raw.workspace)
        said = segment.describe(identify, raw.value, workspace)
        described_by = "event" if said.event else "url" if said.url else "standard"
        return (
            identity,
            raw.workspace,
            identify.email,
            day,
            identify.timestamp_ms,
            said.event or said.url or workspace.standard_message,
            described_by,
            said.url,
            said.event,
            identify.message_id,
            raw.received_at_ms,
            identity.encode(),
            lanes.own(raw.partition),
        )


def rejection(raw: Raw, rejected: Rejection) -> tuple[Any, ...]:
    """Return the fields of an event's rejection, in the order of `facts.REJECTION_FIELDS`."""
    workspace = None if raw.refusal else raw.workspace
    key = None if raw.key is None else raw.key[:_KEY_BYTES]
    return str(rejected.reason), workspace, raw.value[:_RAW_BYTES], raw.received_at_ms, key


def trait(raw: Raw, identify: Identify, change: Change) -> tuple[Any, ...]:
    """Return the fields of a property's record, in the order of `facts.TRAIT_FIELDS`."""
    key = trait_key(raw.workspace, identify.email, change.name)
    at = (identify.timestamp_ms, identify.message_id, raw.received_at_ms)
    return _typed(change.value), change.kind, change.membership, *at, key


def trait_key(workspace: str, email: str, name: str) -> bytes:
    """Return the key of a property's records."""
    return msgspec.json.encode((workspace, email, name))


def interaction_found(output: Output) -> tuple[Any, ...]:
    """Return the fields of an interaction that was emitted, in the same order."""
    *names, _key, _partition = INTERACTION_FIELDS
    return *(output.fields[name] for name in names), output.key, output.partition


def rejection_found(output: Output) -> tuple[Any, ...]:
    """Return the fields of a rejection that was emitted, in the same order."""
    fields = output.fields
    return fields["reason"], fields["workspace"], fields["raw"], fields["received_at"], output.key


def trait_found(output: Output) -> tuple[Any, ...]:
    """Return the fields of a property's record that was emitted, in the same order."""
    fields = output.fields
    names = ("kind", "membership", "timestamp", "message_id", "received_at")
    return _typed(fields["value"]), *(fields[name] for name in names), output.key


def _typed(value: object) -> tuple[str, object]:
    """Distinguish 1, 1.0 and true, which are equal in Python."""
    return type(value).__name__, value
