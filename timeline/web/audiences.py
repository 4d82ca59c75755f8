"""Audiences: who is in them now, who entered and left, and whether a sync runs."""

import hashlib
import json
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final, Literal, NamedTuple

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from timeline.store.results import Audience, Flow
from timeline.web import charts, shown
from timeline.web.rendering import ground, now_ms, page

_HOURS, _DAYS = 48, 90
_FOUND: Final = 50
_HEIGHT: Final = 180  # pixels of the chart


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
    steps = _steps(begins, flow, step, zone)
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
        length=f"{_HOURS} hours" if step == "hour" else f"{_DAYS} days",
        moved=[each for each in reversed(steps) if each.entered or each.left],
        chart=_chart(steps),
        height=_HEIGHT,
        ticks=_ticks(begins, step, zone),
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


class Tick(NamedTuple):
    """Where the chart names a step, in percent; of narrow charts only the main ones are seen."""

    x: float
    name: str
    is_main: bool


class Step(NamedTuple):
    """An hour or a day of the chart."""

    name: str
    entered: int
    left: int


def _steps(begins: list[int], flow: list[Flow], step: str, zone: tzinfo | None) -> list[Step]:
    """Return every step; what the store tells of one belongs to the step that had begun by then."""
    came, went = [0] * len(begins), [0] * len(begins)
    at = 0
    for each in flow:
        while at + 1 < len(begins) and begins[at + 1] <= each.at_ms:
            at += 1
        came[at] += each.entered
        went[at] += each.left
    names = [shown.at(begin, zone)[: -3 if step == "hour" else -10] for begin in begins]  # no seconds, or no time
    return [Step(*each) for each in zip(names, came, went, strict=True)]


def _chart(steps: list[Step]) -> charts.Bars:
    return charts.bars(
        [(f"{each.name}: {each.entered:,} entered, {each.left:,} left", each.entered, each.left) for each in steps],
        _HEIGHT,
    )


def _ticks(begins: list[int], step: str, zone: tzinfo | None) -> list[Tick]:
    found = []
    for at, begin in enumerate(begins):
        local = datetime.fromtimestamp(begin / 1000, zone or UTC)
        x = at * 100 / len(begins)
        if step == "day" and local.weekday() == 0:
            found.append(Tick(x, f"{local.day} {local:%b}", local.isocalendar().week % 4 == 0))
        elif step == "hour" and local.hour == 0:
            found.append(Tick(x, f"{local:%a} {local.day}", is_main=True))
        elif step == "hour" and local.hour % 6 == 0:
            found.append(Tick(x, f"{local:%H:%M}", is_main=False))
    return found


def _ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


ROUTES: Final = [Route("/audiences", _all), Route("/audiences/{key}", _audience)]
