"""The paths of the API and what each is for (contract, section 2)."""

from enum import Enum
from typing import Final


class Call(Enum):
    """What a path is for."""

    IDENTIFY = "one event, or a list of them"
    BATCH = "many events in one request"
    OTHER = "a Segment call other than identify"
    DESCRIPTION = "the description of this API"


ROUTES: Final[dict[bytes, Call]] = {
    **dict.fromkeys((b"/v1/identify", b"/v1/i"), Call.IDENTIFY),
    **dict.fromkeys((b"/v1/batch", b"/v1/import", b"/v1/b"), Call.BATCH),
    **dict.fromkeys(
        (
            b"/v1/track",
            b"/v1/page",
            b"/v1/screen",
            b"/v1/group",
            b"/v1/alias",
            b"/v1/t",
            b"/v1/p",
            b"/v1/s",
            b"/v1/g",
            b"/v1/a",
        ),
        Call.OTHER,
    ),
    b"/openapi.json": Call.DESCRIPTION,
}


def call_of(path: bytes) -> Call | None:
    """Return what a path is for, ignoring a trailing slash; None: not found.

    Args:
        path: as sent. A percent-encoded spelling of a path is not that path.
    """
    return ROUTES.get(path[:-1] if path.endswith(b"/") else path)


def methods(call: Call, *, from_browsers: bool) -> tuple[bytes, ...]:
    """Return the methods that a call takes; browsers of other origins ask with OPTIONS first, where they may at all."""
    if call is Call.DESCRIPTION:
        return (b"GET", b"HEAD")
    return (b"POST", b"OPTIONS") if from_browsers else (b"POST",)
