"""What the pages show beside the read model. The caller fills it; each call may block for some seconds."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from types import MappingProxyType
from typing import NamedTuple


class Unavailable(Exception):
    """A source cannot be asked now; the message says why, and what to do."""


class Part(NamedTuple):
    """One running part: "ingest" or "worker", its address, "ok" or what is the matter, events per second, a detail."""

    kind: str
    address: str
    state: str
    events_per_s: float
    detail: str


class Moment(NamedTuple):
    """What all parts did between two looks; rates are per second.

    Attributes:
        at_ms: of the later look.
        accepted_per_s: events that ingest took.
        refused_per_s: events that ingest rejected, by reason; no worker sees them.
        outcomes_per_s: events of workers by outcome: emitted, duplicate, or a rejection's reason.
        traits_per_s: property changes that were emitted.
        lag_records: uncommitted events in all partitions.
        lag_s: age of the oldest of them.
        p50_s: from receipt to commit, at most; None: nothing was committed. Likewise p99.
        store: "ok", or what is the matter with the claims store.
        parts: each of them.
    """

    at_ms: int
    accepted_per_s: float
    outcomes_per_s: Mapping[str, float]
    traits_per_s: float
    lag_records: int
    lag_s: float
    p50_s: float | None
    p99_s: float | None
    store: str
    parts: Sequence[Part]
    refused_per_s: Mapping[str, float] = MappingProxyType({})


class Finding(NamedTuple):
    """What `daymark doctor` says of one thing; state is ok, warning or fault."""

    about: str
    state: str
    said: str
    advice: str = ""


class Alert(NamedTuple):
    """An alert of deploy/prometheus that would fire if it went on."""

    name: str
    severity: str
    summary: str


class Trace(NamedTuple):
    """An event of a contact, and what became of it.

    Attributes:
        source: its partition:offset in segment.events.
        at_ms: when it came.
        verdict: taken, duplicate, rejected, unread, forgotten or missing.
        said: the same in words.
        timestamp_ms: of the event.
        day: on which it counts.
        winner: the partition:offset of the event that won the day.
        title: what the entry of the day says, or would say; empty: not known.
    """

    source: str
    at_ms: int
    verdict: str
    said: str
    timestamp_ms: int | None = None
    message_id: str | None = None
    day: date | None = None
    winner: str | None = None
    title: str = ""


class Event(NamedTuple):
    """A record of segment.events, and how it reads by today's workspaces file.

    Attributes:
        source: partition:offset.
        interaction_id: of its contact-day; None: it reads as a rejection.
        title: what the entry of the day says, or would say.
        reason: of its rejection.
    """

    source: str
    at_ms: int
    workspace: str
    raw: bytes
    email: str | None = None
    message_id: str | None = None
    timestamp_ms: int | None = None
    day: date | None = None
    interaction_id: str | None = None
    title: str = ""
    reason: str | None = None


class Stretch(NamedTuple):
    """The events of a contact in a part of a topic, the oldest first.

    Attributes:
        events: those of the contact.
        is_whole: whether that part is all that there was to look at.
    """

    events: Sequence[Event]
    is_whole: bool = True


class Marked(NamedTuple):
    """An event's text, each line with whether the fault is there, and what the fault is."""

    lines: Sequence[tuple[bool, str]]
    note: str


class Sources(NamedTuple):
    """Everything that is asked for; each may raise `Unavailable`.

    Attributes:
        look: what the parts do now, since the call before.
        alerts: those that would fire now.
        doctor: what `daymark doctor` says.
        why: the events of a contact (workspace, e-mail, day) and what became of each, the oldest first; the last
            argument says when the first of them came, in epoch milliseconds.
        near: the events of a contact (workspace, e-mail) in the partition of one of them (partition:offset), from this
            one on, at most so many events of anybody after it.
        latest: the same among the newest events of anybody.
        newest: the newest events, at most so many, the newest first.
        event: the event at a partition:offset; None: there is none.
        mark: an event's bytes, the reason of its rejection and its workspace, with the fault marked.
        zone: the name of a workspace's time zone.
    """

    look: Callable[[], Moment]
    alerts: Callable[[], Sequence[Alert]]
    doctor: Callable[[], Sequence[Finding]]
    why: Callable[[str, str, date, int], Sequence[Trace]]
    near: Callable[[str, str, str], Stretch]
    latest: Callable[[str, str, str], Stretch]
    newest: Callable[[int], Sequence[Event]]
    event: Callable[[str], Event | None]
    mark: Callable[[bytes, str, str | None], Marked]
    zone: Callable[[str], str]
