"""Templates with their filters, and what every page is given. Values are escaped wherever they come from."""

import hashlib
import json
import time
from collections.abc import Mapping
from datetime import tzinfo
from pathlib import Path
from typing import Any, Final, NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse

from schemas import zones
from timeline.store import Store
from timeline.web import shown
from timeline.web.history import History
from timeline.web.pace import Paces
from timeline.web.safety import Guard
from timeline.web.sources import Sources

PAGES: Final = (
    ("/", "Overview", "overview"),
    ("/contacts", "Contacts", "contacts"),
    ("/audiences", "Audiences", "audiences"),
    ("/deliveries", "Deliveries", "deliveries"),
)
STATIC: Final = Path(__file__).parent / "static"
FRAGMENT: Final = "x-fragment"  # a request for the changing part of a page only
_LONGEST: Final = 2_000  # characters of a value; a page stays a page whatever a sender sends


class Ground(NamedTuple):
    """What the pages stand on."""

    there: Store
    sources: Sources
    guard: Guard
    history: History
    paces: Paces

    def zone(self, workspace: str) -> tuple[str, tzinfo | None]:
        """Return the name of a workspace's time zone, and the zone itself; None: UTC."""
        name = self.sources.zone(workspace)
        return name, zones.find(name)


def ground(request: Request) -> Ground:
    """Return what the request's app stands on."""
    found: Ground = request.app.state.ground
    return found


def page(request: Request, template: str, title: str, *, status: int = 200, **context: Any) -> HTMLResponse:
    """Return a page, or its changing part alone where the request asks for that and `fragment` names it."""
    fragment = context.pop("fragment", None)
    chosen = fragment if fragment and request.headers.get(FRAGMENT) else template
    section = "/" + request.url.path.strip("/").partition("/")[0]
    section = {"/events": "/deliveries", "/rejected": "/deliveries", "/doctor": "/"}.get(section, section)
    given = {
        "title": title,
        "section": section,
        "pages": PAGES,
        "version": _VERSION,
        "now_ms": now_ms(),
        "reading": None,
    }
    return HTMLResponse(_ENVIRONMENT.get_template(chosen).render(given | context), status)


def row(values: Mapping[str, Any]) -> str:
    """Return a row of the deliveries, in one line."""
    return " ".join(_ENVIRONMENT.get_template("row.html").render(values).split("\n"))


def now_ms() -> int:
    """Return the time in epoch milliseconds."""
    return time.time_ns() // 1_000_000


def _shortened(text: object, most: int = _LONGEST) -> str:
    """Return a text without control characters, cut with its length said."""
    shown_text = str(text)
    if not shown_text.isprintable():
        shown_text = "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in shown_text)
    return shown_text if len(shown_text) <= most else f"{shown_text[:most]} … ({len(shown_text):,} characters)"


def _value(value: object) -> str:
    """Return a property's value as a person reads it."""
    return (
        {True: "yes", False: "no", None: "none"}.get(value, "")
        if value is None or isinstance(value, bool)
        else (value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
    )


def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader("timeline.web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "ago": shown.ago,
        "at": shown.at,
        "clock": shown.clock,
        "full_day": shown.full_day,
        "iso": shown.iso,
        "link": shown.link,
        "month": shown.month,
        "number": shown.number,
        "recent": lambda at_ms: shown.recent(at_ms, now_ms()),
        "seconds": shown.seconds,
        "shortened": _shortened,
        "value": _value,
    }
    return made


_ENVIRONMENT: Final = _environment()
_VERSION: Final = hashlib.sha256(b"".join(each.read_bytes() for each in sorted(STATIC.iterdir()))).hexdigest()[:12]
