"""Lives of audiences for tests, and what a reader of their calls finds."""

import json
from functools import lru_cache
from typing import Any, NamedTuple

from hypothesis import strategies as st

from daymark.simulation import delivery
from daymark.simulation.audience import Event
from daymark.simulation.life import Life
from schemas import contact, timestamps, zones

START_MS = 1_795_434_300_000  # 2026-11-23T11:45Z
ZONES = st.sampled_from(
    [None, zones.find("Europe/Berlin"), zones.find("Asia/Kathmandu"), zones.find("America/New_York")]
)

# Large enough that every kind of person is among them and that much of it comes late.
WHOLE = Life(600, START_MS, deltas=30, resyncs=1, replays=1, out_of_order=0.05, repeated=0.05)

Property = tuple[str, str]  # e-mail, name


@st.composite
def lives(draw: st.DrawFn) -> Life:
    return Life(
        members=draw(st.integers(1, 40)),
        start_ms=START_MS,
        deltas=draw(st.integers(0, 5)),
        resyncs=draw(st.integers(0, 3)),
        replays=draw(st.integers(0, 3)),
        out_of_order=draw(st.floats(0, 1)),
        repeated=draw(st.floats(0, 1)),
        seed=draw(st.integers(0, 2**70)),
        zone=draw(ZONES),
    )


class Told(NamedTuple):
    """The content of a call, read as plain JSON. `email` is None when it has none, `event` the call whole."""

    email: str | None
    name: str
    value: Any
    timestamp_ms: int
    event: dict[str, Any]

    @property
    def of(self) -> Property:
        assert self.email is not None
        return self.email, self.name


def told(sent: Event) -> Told:
    event = json.loads(sent.body)
    name, traits = event["context"]["personas"]["computation_key"], event["traits"]
    timestamp_ms = timestamps.parse(event["timestamp"])
    assert timestamp_ms is not None
    return Told(contact.normalise(traits.get("email", "")), name, traits[name], timestamp_ms, event)


@lru_cache(4)
def calls(life: Life) -> tuple[Told, ...]:
    """Read all calls of a life, as they arrive."""
    return tuple(map(told, delivery.events(life)))
