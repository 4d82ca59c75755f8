"""Raw events and what they mean, said by this page and not by the code that reads them."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, NamedTuple, get_args

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from schemas.workspace import parse

WORKSPACES = parse('[workspaces.w]\naudiences = ["vip", "beta"]\n[workspaces.v]\ntime_zone = "Etc/GMT-13"\n')
_AHEAD = {"w": timedelta(), "v": timedelta(hours=13)}
_BEGIN = datetime(2020, 5, 1, tzinfo=UTC)

Flaw = Literal["malformed_json", "missing_email", "invalid_timestamp"]


class ContactDay(NamedTuple):
    """The deduplication key: one interaction per workspace, contact and day."""

    workspace: str
    email: str
    day: str


class Property(NamedTuple):
    """What has one newest value."""

    workspace: str
    email: str
    name: str


class Event(NamedTuple):
    """An identify; `hour` is counted from the first of May, and runs over midnight of both workspaces."""

    contact: str = "ann"
    hour: int = 0
    workspace: str = "w"
    plan: int | None = None  # a computed trait; without one, workspace w has two audiences
    vip: bool | None = None
    beta: bool | None = None
    flaw: Flaw | None = None

    def __repr__(self) -> str:
        told = (f"{name}={value!r}" for name, value in self._asdict().items() if value != self._field_defaults[name])
        return f"Event({', '.join(told)})"

    @property
    def body(self) -> bytes:
        if self.flaw == "malformed_json":
            return b'{"type":"identify",'
        event: dict[str, Any] = {"type": "identify", "traits": {}, "timestamp": self.moment.isoformat()}
        if self.flaw == "invalid_timestamp":
            event["timestamp"] = "one day"
        if self.flaw != "missing_email":
            event["traits"]["email"] = f" {self.contact.title()}@x.org"
        event["traits"] |= {name: value for name, value in self._audiences.items() if value is not None}
        if self.plan is not None:
            event["traits"]["plan"] = self.plan
            event["context"] = {"personas": {"computation_class": "trait", "computation_key": "plan"}}
        return json.dumps(event).encode()

    @property
    def moment(self) -> datetime:
        return _BEGIN + timedelta(hours=self.hour)

    @property
    def email(self) -> str:
        return f"{self.contact}@x.org"

    @property
    def contact_day(self) -> ContactDay:
        return ContactDay(self.workspace, self.email, str((self.moment + _AHEAD[self.workspace]).date()))

    @property
    def properties(self) -> dict[Property, int | bool]:
        """What it sets, when it can be read."""
        values: dict[str, int | bool | None] = {"plan": self.plan}
        if self.plan is None and self.workspace == "w":
            values |= self._audiences
        return {
            Property(self.workspace, self.email, name): value for name, value in values.items() if value is not None
        }

    @property
    def _audiences(self) -> dict[str, bool | None]:
        return {"vip": self.vip, "beta": self.beta}


_VISITS = [
    Event(contact, hour, workspace) for workspace in "wwv" for hour in (0, 1, 2, 12, 24) for contact in ("ann", "ben")
]
_EVENTS = [
    *_VISITS,
    *(visit._replace(plan=plan) for plan in (1, 2) for visit in _VISITS),
    *(visit._replace(vip=True, beta=beta) for beta in (None, False) for visit in _VISITS[:20]),
    *(Event(flaw=flaw) for flaw in get_args(Flaw) for _ in range(4)),
]


def catalogue() -> list[Event]:
    """Return all events that are drawn."""
    return _EVENTS


def events() -> SearchStrategy[Event]:
    """Draw events: few contacts, hours and values, so that most of them have to do with one another."""
    return st.sampled_from(_EVENTS)
