"""Bytes as Segment and its SDKs send them -> `Identify` or `Rejection` (contract, section 3).

`read` is pure and total: the same bytes and receipt give the same answer in ingest, in the processor and in a replay.
Nearly all take the fast path (`fast`), which answers where it can show that the reference, the tolerant path
(`tolerant`), would give the same answer.
"""

import re
from itertools import accumulate

from schemas import fast, rejections, tolerant
from schemas.identify import Description, Identify
from schemas.rejections import Rejection
from schemas.workspace import PLAIN, Workspace

__all__ = ["DEPTH_LIMIT", "EVENT_LIMIT_BYTES", "Description", "Identify", "Rejection", "describe", "read"]

EVENT_LIMIT_BYTES = 32 * 1024  # Segment's own limit of an event

# Deeper than any event, shallower than any decoder's own limit, which depends on the caller's stack.
DEPTH_LIMIT = 128
BRACKET = ord("[")

FUTURE_MS = 24 * 3_600_000

# A string whole; possessive, and content with no closing quote, so that the time is linear.
_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
_STEPS = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}
_NO_BRACKETS = bytes(set(range(256)) - set(_STEPS))


def read(
    body: bytes,
    received_at_ms: int,
    workspace: Workspace = PLAIN,
    *,
    type_required: bool = False,
    published: bool = False,
) -> Identify | Rejection:
    """Return the identify in an event, or why it is rejected.

    Args:
        body: one event's bytes, anything at all.
        received_at_ms: when it was received, in epoch milliseconds; a timestamp over 24 h later is refused.
        workspace: whose event it is; its format says where fields are, its audiences which traits are memberships.
        type_required: whether an event without `type` is refused. Only /v1/identify lets it be left out.
        published: whether the event is already in a topic. If so, it is not searched for an API key.
    """
    if len(body) > EVENT_LIMIT_BYTES:
        return rejections.TOO_LARGE
    brackets = body.count(b"{") + (body.count(b"[") if BRACKET in body else 0)  # to find is quicker than to count
    if brackets > DEPTH_LIMIT and _is_too_deep(body):
        return rejections.MALFORMED_JSON
    found = fast.read(body, workspace, type_required=type_required, published=published)
    if found is None:
        found = tolerant.read(body, workspace, type_required=type_required)
    if type(found) is Rejection:  # on every event: isinstance costs 0.1 µs more
        return found
    return rejections.TIMESTAMP_IN_FUTURE if found.timestamp_ms > received_at_ms + FUTURE_MS else found


def describe(identify: Identify, body: bytes, workspace: Workspace = PLAIN) -> Description:
    """Return what an event says of the visit, which `read` took for this identify in the same workspace."""
    return identify.description or fast.describe(body, workspace) or tolerant.describe(body, workspace)


def _is_too_deep(body: bytes) -> bool:
    brackets = _STRING.sub(b"", body).translate(None, _NO_BRACKETS)
    return max(accumulate(map(_STEPS.__getitem__, brackets)), default=0) > DEPTH_LIMIT
