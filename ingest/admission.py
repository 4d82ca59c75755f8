"""The events of a body -> records for Kafka, and rejections. Pure: step 6 of `app`.

`schemas.entry` applies the processor's rules to the bytes that will be published, so both agree on every event.
"""

from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from ingest import batch
from ingest.batch import Defaults
from ingest.delivery import Record
from ingest.http import response
from ingest.http.response import Refusal
from ingest.routes import Call
from schemas import avro, credentials, entry
from schemas.rejections import Reason, Rejection
from schemas.segment import FUTURE_MS
from schemas.workspace import Workspace

_UNREAD = {Reason.MALFORMED_JSON, Reason.NOT_AN_OBJECT, Reason.TOO_LARGE}  # nobody knows where its fields begin and end

# Half of what a broker takes in one message by default (`message.max.bytes`): a larger value would be lost.
RAW_LIMIT_BYTES: Final = 512_000


class Events(msgspec.Struct, gc=False):
    """The events of one request, and what became of them.

    Attributes:
        events: as they came; emptied once they are admitted, since they may be 4 MiB.
        in_batch: whether they came in a batch or a list.
        type_required: whether each must say that it is an identify.
        defaults: of the batch, to be put under each.
        may_add: bytes that the defaults may still add, so that a small request does not become many large records.
        records: to publish: of each admitted one the normalised e-mail, which is its key, and the event.
        rejected: the others, by index.
        refused: the events of those, as they would have been published.
    """

    events: Sequence[bytes]
    in_batch: bool
    type_required: bool
    defaults: Defaults | None = None
    may_add: int = 0
    records: list[Record] = []
    rejected: list[tuple[int, Rejection]] = []
    refused: list[bytes] = []


def is_single(call: Call, body: bytes) -> bool:
    """Whether a body is one event, or none at all, rather than a batch or a list."""
    return call is Call.IDENTIFY and (body.startswith(b"{") or not batch.is_list(body))


def events_of(call: Call, body: bytes, most: int, may_add: int) -> Events | Refusal:
    """Return the events that a body holds, so many at most, or why it is refused as a whole.

    Args:
        call: IDENTIFY (an event or a list) or BATCH.
        body: decoded.
        most: events.
        may_add: bytes that a batch's defaults may add to its events in all.
    """
    if is_single(call, body):
        return Events((body,), in_batch=False, type_required=False)
    is_list = call is Call.IDENTIFY
    parts = batch.take_list_apart(body, most) if is_list else batch.take_apart(body, most)
    if isinstance(parts, Refusal):
        return parts
    return Events(parts.events, in_batch=True, type_required=not is_list, defaults=parts.defaults, may_add=may_add)


def admit(events: Events, start: int, stop: int, received_at_ms: int, workspace: Workspace) -> Refusal | None:
    """Admit or reject some events of a workspace, each with the batch's defaults under it.

    Args:
        events: all of the request's.
        start: index of the first to be looked at.
        stop: index behind the last, or beyond all.
        received_at_ms: of the request.
        workspace: whose events they are.

    Returns:
        Why the whole request is refused, if it is.
    """
    known, is_plain, publish = entry.known, workspace.format is None, events.records.append
    latest_ms, some = received_at_ms + FUTURE_MS, events.events[start:stop]
    for index, event in enumerate(_merged(events, some) if events.defaults else some, start):
        key = known(event, latest_ms) if is_plain else None
        if key is not None:  # of nearly every event: `entry.admit` once for each would be another call
            publish((key, event))
            continue
        found = entry.judge(event, received_at_ms, workspace, type_required=events.type_required)
        if isinstance(found, Rejection):
            events.rejected.append((index, found))
            events.refused.append(event)
        else:
            publish(found)
    return response.REQUEST_TOO_LARGE if events.may_add < 0 else None


def rejected_values(
    codec: avro.Codec, raw: bytes, rejection: Rejection, workspace: str, received_at_ms: int
) -> Iterator[bytes]:
    """Yield the `RejectedEvent` that an event or a body refused here becomes, or several: one for each part of it.

    A key in it is no part of it.
    """
    raw = credentials.masked(raw) if rejection.reason in _UNREAD else credentials.without_key(raw)
    parts = [raw[at : at + RAW_LIMIT_BYTES] for at in range(0, len(raw), RAW_LIMIT_BYTES)] or [raw]
    for number, part in enumerate(parts, 1):
        message = rejection.message if len(parts) == 1 else f"{rejection.message} (part {number} of {len(parts)})"
        # It has no partition and no offset yet.
        yield codec.pack(rejection.reason.value, message, "ingest", workspace, part, received_at_ms, None, None)


def _merged(events: Events, some: Sequence[bytes]) -> Iterator[bytes]:
    """Yield events with the defaults under them, until those would add too much."""
    defaults = events.defaults or {}
    for event in some:
        merged = batch.with_defaults(event, defaults)
        events.may_add -= len(merged) - len(event)
        if events.may_add < 0:
            return
        yield merged
