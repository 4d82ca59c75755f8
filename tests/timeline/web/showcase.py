"""A small installation to look at: a store with contacts, audiences and rejections, and sources that are made up."""

import json
import random
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from schemas.interaction import interaction_id
from tests.timeline.rows import contact_key
from timeline import store
from timeline.store import Store
from timeline.store.batches import Batch, Change, Interaction, Reach
from timeline.store.database import parsed
from timeline.store.keys import property_key
from timeline.store.writing import Writer
from timeline.web.sources import Alert, Event, Finding, Marked, Moment, Part, Sources, Stretch, Trace

NOW: Final = datetime.now(UTC).replace(microsecond=0)
NOW_MS: Final = int(NOW.timestamp() * 1000)
TODAY: Final = NOW.date()
WORKSPACE: Final = "acme"
DAY_MS: Final = 86_400_000
SCRIPT: Final = "<script>document.title='taken'</script>"
HOSTILE: Final = (
    SCRIPT,
    "javascript:alert(document.domain)",
    "data:text/html,<script>alert(1)</script>",
    "\u202etxt.exe<img src=x onerror=alert(1)>",
    "مرحبا بالعالم",
    "{{ 7 * 7 }}\"'><svg onload=alert(1)>",
    "https://example.com/" + "a" * 5_000,
    "w" * 3_000,
)
PAGES: Final = (
    "https://acme.example/pricing",
    "https://acme.example/docs/getting-started",
    "Signed up for the newsletter",
    "https://acme.example/blog/2026/how-we-count-days",
    "Demo requested",
    "Contact visited your website",
)
_AUDIENCES: Final = {"trial_ends_this_week": 0.55, "visited_pricing": 0.8, "newsletter": 0.35, "power_users": 0.2}


VILLAIN: Final = f"{SCRIPT.replace(' ', '')}@example.com"


def empty(folder: Path) -> Store:
    """Return a store in which nothing is yet."""
    return store.opened(f"sqlite:///{folder / 'timeline.db'}")


def repeats(email: str = "peter@example.com") -> list[Event]:
    """Return events of a contact's day that its first event has won."""
    identity = interaction_id(WORKSPACE, email, (TODAY - date(1970, 1, 1)).days)
    raw = json.dumps({"type": "identify", "traits": {"email": email}, "page": {"url": PAGES[0]}}).encode()
    return [
        Event(
            f"5:{90 + number}",
            NOW_MS - number * 40_000,
            WORKSPACE,
            raw,
            email,
            f"repeat-{number}",
            NOW_MS,
            TODAY,
            identity,
            PAGES[number],
        )
        for number in range(4)
    ]


def filled(folder: Path, contacts: int = 40) -> Store:
    """Return a store with so many contacts, some of whom mean harm."""
    url = f"sqlite:///{folder / 'timeline.db'}"
    there = store.opened(url)
    batch, dice = Batch(), random.Random(7)
    _person(batch, dice, "peter@example.com", 0.3, [*PAGES])
    _person(batch, dice, VILLAIN, 0.1, [*HOSTILE])
    _person(batch, dice, "a" * 64 + "@" + "long-domain." * 12 + "example", 0.02, [*HOSTILE])
    for number in range(contacts):
        _person(batch, dice, f"{_NAMES[number % len(_NAMES)]}.{number:02}@example.com", dice.random() / 5, [*PAGES])
    _letters(batch)
    batch.reach = {("timeline.interactions", 0): Reach(0, 100, 100, "showcase")}
    writer = Writer(parsed(url))
    writer.write(batch, NOW_MS)
    writer.close()
    return there


_NAMES: Final = ("ana", "bo", "chen", "dara", "elif", "femi", "greta", "hugo", "iris", "jonas")


def _person(batch: Batch, dice: random.Random, email: str, share: float, titles: Sequence[str]) -> None:
    days = [back for back in range(1, 365) if dice.random() < share] or [3]
    for number, back in enumerate(sorted({0, *days} if email.startswith("peter") else days)):
        add_entry(batch, email, TODAY - timedelta(days=back), titles[number % len(titles)])
    for name, chance in _AUDIENCES.items():
        if dice.random() < chance:
            at = NOW_MS - int(dice.random() * 200 * DAY_MS)
            for turn in range(dice.randrange(1, 4)):
                _property(
                    batch, email, name, "audience", membership=turn % 2 == 0, at_ms=min(NOW_MS, at + turn * 30 * DAY_MS)
                )
    _property(batch, email, "lifetime_value", "trait", value=round(dice.random() * 900, 2), at_ms=NOW_MS - 40 * DAY_MS)
    _property(batch, email, "favourite_page", "trait", value=titles[0], at_ms=NOW_MS - 12 * DAY_MS)


def add_entry(batch: Batch, email: str, day: date, title: str, source: tuple[int, int] | None = None) -> str:
    """Add an interaction to a batch; return its id."""
    identity = interaction_id(WORKSPACE, email, (day - date(1970, 1, 1)).days)
    at = int(datetime(day.year, day.month, day.day, 9, 30, 12, tzinfo=UTC).timestamp() * 1000)
    partition, offset = source or (UUID(identity).int % 12, UUID(identity).int % 90_000)
    row: dict[str, Any] = {
        "interaction_id": identity,
        "contact_key": contact_key(WORKSPACE, email),
        "workspace": WORKSPACE,
        "day": day.isoformat(),
        "at_ms": at,
        "description": title,
        "described_by": "url" if ":" in title else "standard" if title.startswith("Contact") else "event",
        "url": title if ":" in title else None,
        "event": None if ":" in title else title,
        "message_id": f"msg-{identity[:8]}",
        "received_at_ms": at + 900,
        "emitted_at_ms": at + 1_000,
        "source_partition": partition,
        "source_offset": offset,
        "record_partition": partition,
        "record_offset": offset,
    }
    batch.interaction(Interaction(**row), email)
    return identity


def _property(
    batch: Batch, email: str, name: str, kind: str, *, value: object = None, membership: bool | None = None, at_ms: int
) -> None:
    key = property_key(json.dumps([WORKSPACE, email, name]).encode())
    said = json.dumps(value if membership is None else membership)
    batch.change(
        Change(key, contact_key(WORKSPACE, email), WORKSPACE, name, kind, said, membership, at_ms, None, 0, 0), email
    )


LETTERS: Final = (
    ("missing_email", "Missing email address", b'{"type":"identify","timestamp":"2026-11-25T09:00:00Z","traits":{}}'),
    (
        "invalid_timestamp",
        "The timestamp is not an ISO 8601 date",
        b'{"traits":{"email":"x@example.com"},"timestamp":"soon"}',
    ),
    ("malformed_json", "The event is not valid JSON in UTF-8", b'{"traits": {"email": ' + SCRIPT.encode()),
)


def _letters(batch: Batch) -> None:
    for number, (reason, message, raw) in enumerate(LETTERS):
        row = {
            "record_partition": 3,
            "record_offset": 17 + number,
            "reason": reason,
            "message": message,
            "stage": "ingest" if number == 2 else "processor",
            "workspace": WORKSPACE,
            "raw": raw,
            "received_at_ms": NOW_MS - 60_000 * number - 500,
            "rejected_at_ms": NOW_MS - 60_000 * number,
            "source_partition": None if number == 2 else 3,
            "source_offset": None if number == 2 else 400 + number,
            "resent": False,
        }
        batch.rejections.append(row)


class Made:
    """Sources that tell of a busy, healthy installation; tests change what they say."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.alerts: list[Alert] = []
        self.looks = 0

    def sources(self) -> Sources:
        """Return them."""
        return Sources(
            look=self._look,
            alerts=lambda: self.alerts,
            doctor=lambda: [
                Finding("kafka", "ok", "3 brokers, version 4.3.1"),
                Finding("store", "warning", "persistence is off", "set appendonly yes"),
            ],
            why=self._why,
            near=self._of,
            latest=self._of,
            newest=lambda most: self.events[:most],
            event=lambda place: next((each for each in self.events if each.source == place), None),
            mark=_mark,
            zone=lambda _: "Europe/Berlin",
        )

    def _look(self) -> Moment:
        self.looks += 1
        wave = 2_400.0 + 90 * ((self.looks * 37 % 11) - 5)
        parts = [
            Part("ingest", "127.0.0.1:8081", "ok", wave, "12 connections"),
            *(Part("worker", f"127.0.0.1:{8082 + n}", "ok", wave / 2, "6 partitions, lag 12") for n in range(2)),
        ]
        outcomes = {"emitted": wave * 0.62, "duplicate": wave * 0.36, "missing_email": wave * 0.02}
        at = int(datetime.now(UTC).timestamp() * 1000)
        return Moment(
            at,
            wave,
            outcomes,
            wave * 0.8,
            24 + self.looks % 7,
            0.3,
            0.012,
            0.05,
            "ok",
            parts,
            {"missing_email": wave * 0.01},
        )

    def _of(self, _workspace: str, email: str, _place: str) -> Stretch:
        return Stretch([each for each in reversed(self.events) if each.email == email])

    def _why(self, _workspace: str, email: str, day: date, _came_ms: int) -> list[Trace]:
        at = int(datetime(day.year, day.month, day.day, 9, 30, 12, tzinfo=UTC).timestamp() * 1000)
        said = f"event 5:12 had already won the day. {SCRIPT if email == VILLAIN else ''}"
        return [
            Trace("5:12", at + 900, "taken", "It came first: it is the entry of the day.", at, "msg-1", day, "5:12"),
            Trace("5:90", at + 60_900, "duplicate", said, at + 60_000, "msg-2", day, "5:12"),
        ]


def _mark(raw: bytes, reason: str, _workspace: str | None) -> Marked:
    text = raw.decode(errors="replace")
    try:
        lines = json.dumps(json.loads(text), indent=2).splitlines()
    except ValueError:
        return Marked([(False, text), (True, "^")], "not JSON")
    word = "timestamp" if "timestamp" in reason else "traits"
    return Marked([(word in line and bool(reason), line) for line in lines], f"see {word}")
