"""The days of a contact: which events came on each, and which of them made the entry."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, date, datetime, tzinfo
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from timeline.store.results import Entry
from timeline.web import shown
from timeline.web.contacts import day_of, named
from timeline.web.rendering import ground, now_ms, page
from timeline.web.sources import Event, Trace, Unavailable

_LATEST: Final = 100  # entries of a contact: so many days are looked at


def _crowded(request: Request) -> Response:
    """Answer which days had more events than one, as far as the newest events tell."""
    found, contact = ground(request), named(request)
    entries = found.there.contacts.timeline(contact.key, limit=_LATEST).entries
    won = {each.interaction_id: each for each in entries}
    lost: Counter[date] = Counter()
    is_whole, trouble = True, None
    try:
        if entries:
            seen = found.sources.latest(contact.workspace, contact.email, entries[0].source)
            is_whole = seen.is_whole
            for each in seen.events:
                entry = won.get(each.interaction_id or "")
                if entry is not None and entry.source != each.source:
                    lost[entry.day] += 1
    except Unavailable as error:
        trouble = str(error)
    return page(
        request,
        "days.html",
        "Days with duplicates",
        fragment="crowded.html",
        contact=contact,
        crowded=sorted(lost.items(), reverse=True),
        is_whole=is_whole,
        trouble=trouble,
        reading=found.there.overview.state(),
    )


def _day(request: Request) -> Response:
    """Answer what became of each event of a day."""
    found, contact, day = ground(request), named(request), day_of(request.path_params["day"])
    zone_name, zone = found.zone(contact.workspace)
    entry = found.there.contacts.of_day(contact.key, day)
    traces: Sequence[Trace] = [] if entry is None else [_winner(entry)]
    is_whole, trouble = True, None
    try:
        if entry is None:
            traces = found.sources.why(contact.workspace, contact.email, day, _begin(day, zone))
        else:
            seen = found.sources.near(contact.workspace, contact.email, entry.source)
            traces = [*traces, *_losers(entry, seen.events)]
            is_whole = seen.is_whole
    except Unavailable as error:
        trouble = str(error)
    return page(
        request,
        "day.html",
        shown.full_day(day),
        fragment="traces.html",
        contact=contact,
        day=day,
        zone=zone,
        zone_name=zone_name,
        traces=traces,
        lost=len(traces) - 1 if entry else 0,
        entry=entry,
        is_whole=is_whole,
        trouble=trouble,
        reading=found.there.overview.state(),
    )


def _winner(entry: Entry) -> Trace:
    came_ms = entry.emitted_at_ms if entry.received_at_ms is None else entry.received_at_ms
    said = "It was processed first, so it is the entry of the day."
    return Trace(
        entry.source,
        came_ms,
        "taken",
        said,
        entry.at_ms,
        entry.message_id,
        entry.day,
        entry.source,
        entry.description,
    )


def _losers(entry: Entry, events: Sequence[Event]) -> list[Trace]:
    return [
        Trace(
            each.source,
            each.at_ms,
            "duplicate",
            _lost(each, entry),
            each.timestamp_ms,
            each.message_id,
            each.day,
            entry.source,
            each.title,
        )
        for each in events
        if each.interaction_id == entry.interaction_id and each.source != entry.source
    ]


def _lost(event: Event, entry: Entry) -> str:
    if event.message_id is not None and event.message_id == entry.message_id:
        return f"It is the same message as event {entry.source}, sent again."
    return f"It made no entry: event {entry.source} had won the day."


def _begin(day: date, zone: tzinfo | None) -> int:
    """Return when a day began, in epoch ms. No event has come before 1970 or comes later than now, whatever its day."""
    came_ms = int(datetime.combine(day, datetime.min.time(), zone or UTC).timestamp() * 1000)
    return min(max(0, came_ms), now_ms())


ROUTES: Final = [Route("/contacts/{key}/days", _crowded), Route("/contacts/{key}/days/{day}", _day)]
