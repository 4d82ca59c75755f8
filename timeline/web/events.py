"""One event for good: what it was, what became of it, and where its fault is."""

import re
from datetime import date, timedelta
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from timeline.store.results import Entry
from timeline.web import shown
from timeline.web.rendering import ground, page
from timeline.web.sources import Event, Marked

_PLACE: Final = re.compile(r"(backfill/)?\d{1,9}:\d{1,18}", re.ASCII)

Step = tuple[str, str, str | None]


def _event(request: Request) -> Response:
    found, place = ground(request), _place(request)
    event = found.sources.event(place)
    if event is None:
        raise HTTPException(404, f"segment.events no longer holds an event at {place}.")
    zone_name, zone = found.zone(event.workspace)
    entry = found.there.contacts.entry(event.interaction_id) if event.interaction_id else None
    outcome, steps = "waiting", _read(event)
    if entry is not None and entry.source == place:
        outcome = "accepted"
        steps.append(("entry", f"it is the entry of {shown.full_day(entry.day)}: {entry.description}", None))
    elif entry is not None:
        outcome = "duplicate"
        steps.append(("won by", f"event {entry.source}, {shown.at(entry.at_ms, zone)}", f"/events/{entry.source}"))
    elif event.reason:
        outcome = "rejected"
        steps.append(("reason", event.title, f"/deliveries?outcome=rejected&reason={event.reason}"))
    else:
        steps.append(("entry", "none yet: no worker has committed it, or what came of it was erased", None))
    if entry is not None:
        steps.append(("contact", event.email or "", _where(entry)))
        day = f"/contacts/{entry.contact}/days/{entry.day}"
        steps.append(("day", f"all events of {shown.full_day(entry.day)}", day))
    marked = found.sources.mark(event.raw, event.reason or "", event.workspace)
    return page(
        request,
        "event.html",
        f"Event {place}",
        outcome=outcome,
        workspace=event.workspace,
        at_ms=event.at_ms,
        zone=zone,
        zone_name=zone_name,
        steps=steps,
        marked=marked if event.reason else Marked([(False, line) for _, line in marked.lines], ""),
        size=len(event.raw),
        command=None,
        resent=False,
    )


def _rejected(request: Request) -> Response:
    found, place = ground(request), _place(request)
    letter = found.there.deliveries.rejection(place)
    if letter is None:
        raise HTTPException(404, f"segment.rejected no longer holds a rejection at {place}.")
    zone_name, zone = found.zone(letter.workspace or "")
    steps: list[Step] = [
        ("reason", letter.message, f"/deliveries?outcome=rejected&reason={letter.reason}"),
        ("by", "ingest, which told the sender" if letter.stage == "ingest" else "a worker", None),
    ]
    if letter.source:
        steps.append(("event", letter.source, f"/events/{letter.source}"))
    return page(
        request,
        "event.html",
        f"Rejection {place}",
        outcome="rejected",
        workspace=letter.workspace,
        at_ms=letter.rejected_at_ms,
        zone=zone,
        zone_name=zone_name,
        steps=steps,
        marked=found.sources.mark(letter.raw, letter.reason, letter.workspace),
        size=len(letter.raw),
        command=f"daymark rejected resend {place}",
        resent=letter.resent,
    )


def _where(entry: Entry) -> str:
    """Return the address of an entry: the page of its contact that begins with its day, however long ago."""
    begin = f"?before={entry.day + timedelta(1)}" if entry.day < date.max else ""
    return f"/contacts/{entry.contact}{begin}#{entry.day}"


def _read(event: Event) -> list[Step]:
    steps: list[Step] = []
    if event.message_id:
        steps.append(("message", event.message_id, None))
    if event.timestamp_ms is not None and event.day is not None:
        steps.append(("happened", f"{shown.at(event.timestamp_ms)} UTC, so on {shown.full_day(event.day)}", None))
    return steps


def _place(request: Request) -> str:
    place: str = request.path_params["place"]
    if not _PLACE.fullmatch(place):
        raise HTTPException(404)
    return place


ROUTES: Final = [
    Route("/events/{place:path}", _event),
    Route("/rejected/{place}", _rejected),
]
