"""Audiences: who is in them now, who entered and left, and whether a sync runs."""

import hashlib
import json
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final, Literal

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from timeline.store.results import Audience, Flow
from timeline.web import charts, shown
from timeline.web.rendering import ground, now_ms, page

_HOURS, _DAYS = 48, 90
_FOUND: Final = 50
_WIDTH, _HALF = 1000, 95


def key(workspace: str, name: str) -> str:
    """Return what stands for an audience in a URL: a sender chose its name, which may be anything."""
    return hashlib.blake2b(json.dumps([workspace, name]).encode(), digest_size=10).hexdigest()


def _all(request: Request) -> Response:
    there = ground(request).there
    found = [(key(each.workspace, each.name), each) for each in there.audiences.all()]
    return page(request, "audiences.html", "Audiences", found=found, reading=there.overview.state())


def _audience(request: Request) -> Response:
    there, audience = ground(request).there.audiences, _named(request)
    step: Literal["hour", "day"] = "day" if request.query_params.get("step") == "day" else "hour"
    zone_name, zone = ground(request).zone(audience.workspace)
    after = request.query_params.get("after", "")
    until = now_ms()
    begins = _begins(step, until, zone)
    of = audience.workspace, audience.name
    flow = there.flow(*of, begins[0], until, step=step, zone=zone or UTC)
    members = there.members(*of, after, _FOUND)
    return page(
        request,
        "audience.html",
        audience.name,
        fragment="membership.html",
        audience=audience,
        step=step,
        zone=zone,
        zone_name=zone_name,
        since_ms=begins[0],
        length=f"{_HOURS} hours" if step == "hour" else f"{_DAYS} days",
        flow=flow,
        bars=_bars(begins, flow, step, zone),
        sync=ground(request).paces.sync(request.path_params["key"], audience.entered + audience.left, until),
        members=members,
        after=members[-1].key if len(members) == _FOUND else None,
        here=f"/audiences/{request.path_params['key']}?step={step}",
        reading=ground(request).there.overview.state(),
    )


def _named(request: Request) -> Audience:
    there = ground(request).there.audiences
    for name in there.names():
        if key(*name) == request.path_params["key"] and (found := there.get(*name)) is not None:
            return found
    raise HTTPException(404, "No audience has this key.")


def _begins(step: str, until_ms: int, zone: tzinfo | None) -> list[int]:
    """Return when each step of the chart begins, the oldest first, in epoch milliseconds."""
    now = datetime.fromtimestamp(until_ms / 1000, UTC)
    if step == "hour":
        last = now.replace(minute=0, second=0, microsecond=0)
        return [_ms(last - timedelta(hours=back)) for back in reversed(range(_HOURS))]
    today = now.astimezone(zone or UTC).date()
    return [
        _ms(datetime.combine(today - timedelta(days=back), datetime.min.time(), zone or UTC))
        for back in reversed(range(_DAYS))
    ]


def _bars(begins: list[int], flow: list[Flow], step: str, zone: tzinfo | None) -> list[charts.Bar]:
    """Return a bar for each step; what the store tells of one belongs to the step that had begun by then."""
    came, went = [0] * len(begins), [0] * len(begins)
    at = 0
    for each in flow:
        while at + 1 < len(begins) and begins[at + 1] <= each.at_ms:
            at += 1
        came[at] += each.entered
        went[at] += each.left
    names = [shown.at(begin, zone)[: -3 if step == "hour" else -10] for begin in begins]
    steps = [
        (f"{name}: {entered:,} entered, {left:,} left", entered, left)
        for name, entered, left in zip(names, came, went, strict=True)
    ]
    return charts.bars(steps, _WIDTH, _HALF)


def _ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


ROUTES: Final = [Route("/audiences", _all), Route("/audiences/{key}", _audience)]
