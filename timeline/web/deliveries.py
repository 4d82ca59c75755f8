"""Deliveries: what was accepted, what was a duplicate, what was rejected, live."""

import asyncio
from collections.abc import AsyncIterator
from typing import Final, NamedTuple
from urllib.parse import urlencode

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from schemas import contact as contacts
from schemas.rejections import Reason
from timeline.store import StoreDown
from timeline.store.results import Outcome, Wanted
from timeline.web import rendering
from timeline.web.forms import fields
from timeline.web.live import Duplicates, Row, row_of
from timeline.web.rendering import Ground, ground, page
from timeline.web.sources import Unavailable

_SHOWN: Final = 50
_AT_ONCE: Final = 100
_LOOK_EVERY_S: Final = 0.5
_OUTCOMES: Final = ("accepted", "duplicate", "rejected")
_REASONS: Final = tuple(str(each) for each in Reason)
_BREATH: Final = ": still here\n\n"  # tells proxies, and us, whether the other side is still there


class Filters(NamedTuple):
    """What is asked for: the store's own words, and an outcome that may be "duplicate"."""

    wanted: Wanted
    outcome: str | None

    @classmethod
    def of(cls, request: Request) -> "Filters":
        """Read the filters of an address; what it does not know is no filter."""
        given = {name: text for name, text in request.query_params.items() if text}
        outcome = given.get("outcome") if given.get("outcome") in _OUTCOMES else None
        reason = given.get("reason") if given.get("reason") in _REASONS else None
        outcome = outcome or ("rejected" if reason else None)
        kept: Outcome | None = "accepted" if outcome == "accepted" else "rejected" if outcome == "rejected" else None
        wanted = Wanted(given.get("workspace"), kept, reason, given.get("contact"), given.get("message_id"))
        return cls(wanted, outcome)

    def kept(self) -> list[tuple[str, str]]:
        """Return them as they stand in an address."""
        named = {**self.wanted._asdict(), "outcome": self.outcome}
        return [(name, text) for name, text in named.items() if text]

    def fits(self, row: Row) -> bool:
        """Whether a duplicate is one of those that are asked for."""
        wanted = self.wanted
        return self.outcome in {None, "duplicate"} and all(
            (
                wanted.workspace in {None, row.workspace},
                wanted.contact in {None, row.contact},
                wanted.message_id in {None, row.message_id},
            )
        )


async def _deliveries(request: Request) -> Response:
    if request.method == "POST":
        return await run_in_threadpool(_filtered, request, await fields(request))
    return await run_in_threadpool(_listed, request)


def _filtered(request: Request, given: dict[str, str]) -> Response:
    """Send a browser to the address of what it asks for: an e-mail becomes the contact's key on the way."""
    kept = [(name, given[name]) for name in ("workspace", "outcome", "reason") if given.get(name)]
    what = given.get("what", "").strip()
    if "@" in what:
        email = contacts.normalise(what) or what.lower()
        key = ground(request).there.contacts.key(email, given.get("workspace") or None)
        if key is None:
            return _listed(request, what, "No contact has this address. Its events may have been rejected.")
        kept.append(("contact", key))
    elif what:
        kept.append(("message_id", what))
    return RedirectResponse(f"/deliveries?{urlencode(kept)}", 303)


def _listed(request: Request, what: str = "", trouble: str | None = None) -> Response:
    found, filters = ground(request), Filters.of(request)
    before = request.query_params.get("before")
    try:
        rows = _rows(found, filters, before) if trouble is None else []
    except ValueError:  # a cursor of nobody's
        raise HTTPException(404) from None
    except Unavailable as error:
        rows, trouble = _rows(found, filters, before, are_duplicates_known=False), str(error)
    stored = [row for row in rows if row.cursor]
    contact = found.there.contacts.get(filters.wanted.contact) if filters.wanted.contact else None
    return page(
        request,
        "deliveries.html",
        "Deliveries",
        rows=rows,
        is_live=before is None and trouble is None,
        is_filtered=bool(filters.kept()) or bool(what),
        wanted=filters.wanted,
        outcome=filters.outcome,
        kept=filters.kept(),
        query=urlencode(filters.kept()),
        what=what or (contact.email if contact else filters.wanted.message_id or ""),
        before=stored[-1].cursor if len(stored) >= _SHOWN else None,
        reasons=_REASONS,
        workspaces=[each.workspace for each in found.there.overview.totals() if each.workspace],
        trouble=trouble,
        reading=found.there.overview.state(),
    )


def _rows(found: Ground, filters: Filters, before: str | None, *, are_duplicates_known: bool = True) -> list[Row]:
    """Return rows, the newest first; duplicates of the newest events only."""
    stored = []
    if filters.outcome != "duplicate":
        stored = [row_of(each) for each in found.there.deliveries.latest(filters.wanted, before, _SHOWN)]
    if before is not None or not are_duplicates_known or filters.outcome in {"accepted", "rejected"}:
        return stored
    repeats = [row for row in Duplicates(found.there, found.sources.newest).newest(_AT_ONCE) if filters.fits(row)]
    oldest = stored[-1].at_ms if len(stored) >= _SHOWN else 0
    return sorted([*stored, *(row for row in repeats if row.at_ms >= oldest)], key=lambda row: -row.at_ms)


async def _live(request: Request) -> Response:
    stream = _stream(request, ground(request), Filters.of(request))
    return StreamingResponse(stream, media_type="text/event-stream", headers={"x-accel-buffering": "no"})


async def _stream(request: Request, found: Ground, filters: Filters) -> AsyncIterator[str]:
    """Yield what arrives as server-sent events, until the browser leaves."""
    watch = _Watch(found, filters)
    yield _BREATH
    while not await request.is_disconnected():
        rows = await run_in_threadpool(watch.look)
        yield "".join(f"event: row\ndata: {rendering.row({'row': row})}\n\n" for row in rows) or _BREATH
        await asyncio.sleep(_LOOK_EVERY_S)


class _Watch:
    """What one browser has seen, and looks that return what is new to it, the oldest first."""

    def __init__(self, found: Ground, filters: Filters) -> None:
        self._there, self._filters = found.there, filters
        self._duplicates = Duplicates(found.there, found.sources.newest)
        self._cursor: str | None = None

    def look(self) -> list[Row]:
        """Return what is new; a source that is away for a while adds nothing meanwhile."""
        rows: list[Row] = []
        is_first = self._cursor is None
        try:
            if self._cursor is None:
                self._cursor = self._there.deliveries.cursor()
            elif self._filters.outcome != "duplicate":
                new = self._there.deliveries.since(self._cursor, self._filters.wanted, _AT_ONCE)
                self._cursor = new[-1].cursor if new else self._cursor
                rows += map(row_of, new)
            if self._filters.outcome in {None, "duplicate"}:
                fresh = self._duplicates.fresh(_AT_ONCE)
                rows += [] if is_first else [row for row in fresh if self._filters.fits(row)]
        except (StoreDown, Unavailable):
            pass
        return sorted(rows, key=lambda row: row.at_ms)


ROUTES: Final = [
    Route("/deliveries", _deliveries, methods=["GET", "POST"]),
    Route("/deliveries/live", _live),
]
