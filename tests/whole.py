"""All that an event says, whom and what of the visit, as each reader reads it: so that tests compare one value."""

from typing import NamedTuple

from schemas import fast, segment, tolerant
from schemas.identify import Change, Description, Identify
from schemas.rejections import Rejection
from schemas.workspace import PLAIN, Workspace


class Whole(NamedTuple):
    """An identify with its description."""

    email: str
    timestamp_ms: int
    url: str | None = None
    event: str | None = None
    message_id: str | None = None
    changes: tuple[Change, ...] = ()
    bears_key: bool = False


def read(
    body: bytes, received_at_ms: int, workspace: Workspace = PLAIN, *, type_required: bool = False
) -> Whole | Rejection:
    """By `segment`, as ingest and workers do."""
    found = segment.read(body, received_at_ms, workspace, type_required=type_required)
    return found if isinstance(found, Rejection) else _whole(found, segment.describe(found, body, workspace))


def reference(body: bytes, workspace: Workspace = PLAIN, *, type_required: bool = False) -> Whole | Rejection:
    """By the tolerant path alone."""
    found = tolerant.read(body, workspace, type_required=type_required)
    return found if isinstance(found, Rejection) else _whole(found, tolerant.describe(body, workspace))


def fast_path(body: bytes, workspace: Workspace = PLAIN, *, type_required: bool = False) -> Whole | Rejection | None:
    """By the fast path alone; None where it leaves anything of the event to the tolerant one."""
    found = fast.read(body, workspace, type_required=type_required, published=False)
    if not isinstance(found, Identify):
        return found
    said = fast.describe(body, workspace)
    return None if said is None else _whole(found, said)


def _whole(found: Identify, said: Description) -> Whole:
    return Whole(
        found.email, found.timestamp_ms, said.url, said.event, found.message_id, found.changes, found.bears_key
    )
