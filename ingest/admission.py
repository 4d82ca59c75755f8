"""The events of a body -> records for Kafka, and rejections. Pure: step 5 of `app`.

Uses the same function as the processor, on the bytes that will be published, so that both agree on every event.
"""

from collections.abc import Sequence

import msgspec

from ingest import batch
from ingest.answers import Refusal
from ingest.delivery import Record
from ingest.routes import Call
from schemas import avro, credentials, segment
from schemas.identify import Identify
from schemas.reasons import Reason, Rejection
from schemas.workspace import Workspace

_UNREAD = {Reason.MALFORMED_JSON, Reason.NOT_AN_OBJECT, Reason.TOO_LARGE}  # nobody knows where its fields begin and end


class Events(msgspec.Struct, gc=False):
    """The events of one request, and what became of them.

    Attributes:
        events: as they will be published if admitted.
        in_batch: whether they came in a batch or a list.
        type_required: whether each must say that it is an identify.
        records: to publish: of each admitted one the normalised e-mail, which is its key, and the event.
        rejected: the others, by index.
    """

    events: Sequence[bytes]
    in_batch: bool
    type_required: bool
    records: list[Record] = []
    rejected: list[tuple[int, Rejection]] = []


def events_of(call: Call, body: bytes) -> Events | Refusal:
    """Return the events that a body holds, or why it is refused as a whole.

    Args:
        call: IDENTIFY (an event or a list) or BATCH.
        body: decoded.
    """
    is_list = call is Call.IDENTIFY and not body.startswith(b"{") and batch.is_list(body)
    if call is Call.IDENTIFY and not is_list:
        return Events((body,), in_batch=False, type_required=False)
    parts = batch.take_list_apart(body) if is_list else batch.take_apart(body)
    events = batch.merged(parts) if isinstance(parts, batch.Parts) else parts
    return events if isinstance(events, Refusal) else Events(events, in_batch=True, type_required=not is_list)


def admit(events: Events, received_at_ms: int, workspace: Workspace) -> None:
    """Admit or reject each event of a workspace."""
    read, type_required, admit = segment.read, events.type_required, events.records.append
    for index, event in enumerate(events.events):
        found = read(event, received_at_ms, workspace, type_required=type_required)
        if isinstance(found, Identify) and found.bears_key:
            event = credentials.without_key(event)  # noqa: PLW2901  the bytes that will be published
            found = read(event, received_at_ms, workspace, type_required=type_required)
        if isinstance(found, Identify):
            admit((found.email.encode(), event))
        else:
            events.rejected.append((index, found))


def rejected_value(codec: avro.Codec, event: bytes, rejection: Rejection, workspace: str, received_at_ms: int) -> bytes:
    """Return the `RejectedEvent` that an event refused here becomes."""
    nowhere = (None, None)  # it has no partition and no offset yet
    event = credentials.masked(event) if rejection.reason in _UNREAD else credentials.without_key(event)
    return codec.pack(rejection.reason.value, rejection.message, "ingest", workspace, event, received_at_ms, *nowhere)
