"""Contacts: search, and one contact's year. An address is never in a URL: a search is a POST, a contact has a key."""

import itertools
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Final, NamedTuple

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from timeline.store import Store
from timeline.store.results import Contact, Entry, Membership, Wanted
from timeline.web import charts, shown
from timeline.web.audiences import key as audience_key
from timeline.web.forms import fields
from timeline.web.rendering import ground, now_ms, page

_FOUND: Final = 20
_ENTRIES: Final = 30  # on a page
_YEAR_MS: Final = 365 * 86_400_000


async def _search(request: Request) -> Response:
    prefix = (await fields(request)).get("prefix", "").strip() if request.method == "POST" else ""
    return await run_in_threadpool(_found, request, prefix)


def _found(request: Request, prefix: str) -> Response:
    there = ground(request).there
    totals = there.overview.totals()
    return page(
        request,
        "contacts.html",
        "Contacts",
        fragment="found.html",
        prefix=prefix,
        limit=_FOUND,
        found=there.contacts.search(prefix, limit=_FOUND) if prefix else _latest(there),
        totals=totals,
        has_any=any(each.contacts for each in totals),
        reading=there.overview.state(),
    )


def _latest(there: Store) -> list[Contact]:
    """Return who was in touch last, for those who know no address."""
    rows = there.deliveries.latest(Wanted(outcome="accepted"), None, _FOUND)
    return [
        *{
            row.contact: Contact(row.contact, row.workspace, row.email) for row in rows if row.contact and row.email
        }.values()
    ]


def _contact(request: Request) -> Response:
    there, contact = ground(request).there.contacts, named(request)
    zone_name, zone = ground(request).zone(contact.workspace)
    today = datetime.now(zone or UTC).date()
    before = request.query_params.get("before")
    until = day_of(before) if before else None
    shown_page = there.timeline(contact.key, until, _ENTRIES)
    days = {each.day for each in there.calendar(contact.key, today)}
    return page(
        request,
        "contact.html",
        contact.email,
        contact=contact,
        zone=zone,
        zone_name=zone_name,
        today=today,
        year_ago=today - timedelta(days=365),
        calendar=charts.calendar(days, today),
        closeness=there.closeness(contact.key, today),
        months=_by_month(shown_page.entries),
        before=shown_page.before,
        is_newest=until is None,
        strips=_strips(contact, there.memberships(contact.key), zone),
        properties=[each for each in there.properties(contact.key) if each.membership is None],
        reading=ground(request).there.overview.state(),
    )


def named(request: Request) -> Contact:
    """Return the contact that an address names.

    Raises:
        HTTPException: 404, there is none.
    """
    found = ground(request).there.contacts.get(request.path_params["key"])
    if found is None:
        raise HTTPException(404, "No contact has this key. Was it erased with `daymark forget`?")
    return found


def day_of(text: str) -> date:
    """Return the day that an address names.

    Raises:
        HTTPException: 404, it names none.
    """
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise HTTPException(404) from None


def _by_month(entries: Sequence[Entry]) -> list[tuple[date, list[Entry]]]:
    return [(month, [*group]) for month, group in itertools.groupby(entries, lambda each: each.day.replace(day=1))]


class Strip(NamedTuple):
    """An audience of a contact: since when it is in it, None: it has left; and its stretches in the last year."""

    name: str
    key: str
    since: str | None
    spans: Sequence[charts.Span]


def _strips(contact: Contact, memberships: Sequence[Membership], zone: tzinfo | None) -> list[Strip]:
    last = now_ms()
    strips = []
    for name, group in itertools.groupby(sorted(memberships, key=lambda each: each.name), lambda each: each.name):
        stays = [*group]
        spans = [charts.span(stay.entered_ms, stay.left_ms, last - _YEAR_MS, last) for stay in stays]
        open_ended = [stay for stay in stays if stay.left_ms is None]
        since = shown.at(open_ended[-1].entered_ms, zone).partition(",")[0] if open_ended else None
        strips.append(Strip(name, audience_key(contact.workspace, name), since, [each for each in spans if each]))
    return strips


ROUTES: Final = [
    Route("/contacts", _search, methods=["GET", "POST"]),
    Route("/contacts/{key}", _contact),
]
