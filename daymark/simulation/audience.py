"""An audience sync as events, and their expected results. Pure: no clock, no I/O, constant memory.

Every contact of the audience occurs on every day, in one shuffled stream. Some days are repeated in separate calls
(repeats), some calls are sent again byte for byte a while later (retries), and some are invalid.

Invariants: a plan always yields the same bytes in the same order; `expected` is exact; invalid calls are about people
outside the audience, so that one accepted by mistake shows up as an extra interaction.
"""

import random
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

import msgspec
from msgspec import structs

from daymark.simulation import faults, order, payload, people
from schemas import timestamps
from schemas.rejections import Reason

# A retried call waits among this many others; which one goes next is random.
_RETRIES_WAITING = 256

# Times stay within the first 23 hours of a day: a day on which clocks go forward is no longer.
_DAY_SPAN_MS = 23 * 3_600_000

# The longest time from a call to its receipt; neither is in the future.
_RECEIPT_MS = 12_000

# One call in four carries a page.
_PAGE_EVERY = 4

# Keys in other letter cases, each in one call of 256.
_EMAIL_KEYS: Final = {0: b"Email", 1: b"E-mail", 2: b"EMAIL", 3: b"e_mail"}
_TYPES: Final = {4: b"Identify", 5: b"IDENTIFY"}

# What is random in a call: its id, then time, nanoseconds, delay and page, spelling of the address, of the keys.
_DRAWS = struct.Struct("<QIHBB")
_DRAWN_BYTES = payload.MESSAGE_ID_BYTES + _DRAWS.size

_REASONS = tuple(Reason)


@dataclass(frozen=True, slots=True)
class Plan:
    """An audience sync to simulate.

    Attributes:
        contacts: people in the audience.
        first_day: the day of the first calls, in `zone`.
        days: consecutive days; none may start after `now_ms`.
        now_ms: in epoch milliseconds; no timestamp is later.
        repeat: calls per contact-day, at least 1; 1.5 means one each, and a second for the first half.
        retries: calls that are sent again byte for byte, as a share of the valid ones.
        invalid: additional calls that must be rejected, as a share of the valid ones.
        zone: the workspace's time zone, in which days begin (None: UTC).
    """

    contacts: int
    first_day: date
    now_ms: int
    days: int = 1
    repeat: float = 1.0
    retries: float = 0.0
    invalid: float = 0.0
    seed: int = 1
    audience: str = "order_completed_last_30days"
    zone: ZoneInfo | None = None

    def __post_init__(self) -> None:
        """Reject an impossible plan.

        Raises:
            ValueError: a number out of range, or a day that has not begun.
        """
        if self.contacts < 1 or self.days < 1 or self.repeat < 1:
            raise ValueError("contacts, days and calls per contact-day must be 1 or more")
        if not (0 <= self.retries <= 1 and self.invalid >= 0):
            raise ValueError("the share of retries must lie between 0 and 1, that of invalid calls must be 0 or more")
        if self.first_day + timedelta(days=self.days - 1) > today(self.now_ms, self.zone):
            raise ValueError(f"{self.days} days from {self.first_day} end after today")
        payload.template(self.audience)


class Event(msgspec.Struct, frozen=True, gc=False):
    """A call as it is sent.

    `contact` is the normalised e-mail address, None if the call has no readable one. `day` is the day it counts for, in
    days since 1970-01-01; None if the call must be rejected, for `reason`.
    """

    body: bytes
    contact: str | None
    day: int | None
    reason: Reason | None


class Expected(NamedTuple):
    """The expected results of a plan.

    Attributes:
        events: all calls sent.
        interactions: the distinct contact-days.
        retries: calls sent again byte for byte.
        rejections: calls that must be rejected, by reason.
        properties: user properties of all contacts that end up with a value.
        late: calls held back until newer ones have been sent.
        replayed: calls sent once more by a replay.
    """

    events: int
    interactions: int
    retries: int
    rejections: Mapping[Reason, int]
    properties: int
    late: int = 0
    replayed: int = 0


def expected(plan: Plan) -> Expected:
    """Return the expected results of a plan, assuming that none of its contact-days existed before."""
    valid, retried, invalid = _counts(plan)
    reasons = {reason: len(range(place, invalid, len(Reason))) for place, reason in enumerate(Reason)}
    return Expected(valid + retried + invalid, plan.contacts * plan.days, retried, reasons, plan.contacts)


def events(plan: Plan) -> Iterator[Event]:
    """Yield the calls of a plan in the order in which they are sent."""
    valid, retried, invalid = _counts(plan)
    frame, days = payload.template(plan.audience), _days(plan)
    chance = random.Random(plan.seed)  # noqa: S311  draws to be repeated, no secrets
    waiting: list[Event] = []
    for number in order.shuffled(valid + invalid, plan.seed):
        drawn = chance.randbytes(_DRAWN_BYTES)
        if number >= valid:
            yield _invalid(frame, days, plan.contacts, number - valid, drawn)
            continue
        event = _valid(frame, days, plan.contacts, number, drawn)
        yield event
        if number * retried % valid + retried >= valid:  # evenly among them, exactly `retried`
            waiting.append(event)
            if len(waiting) > _RETRIES_WAITING:
                yield order.take_any(waiting, chance)
    chance.shuffle(waiting)
    yield from waiting


def today(now_ms: int, zone: ZoneInfo | None) -> date:
    """Return the date of an instant in epoch milliseconds."""
    return datetime.fromtimestamp(now_ms / 1000, zone or UTC).date()


class _Day(msgspec.Struct, frozen=True, gc=False):
    """A day's number, its first instant, and the length of time in which calls may fall."""

    number: int
    start_ms: int
    span_ms: int


def _counts(plan: Plan) -> tuple[int, int, int]:
    """Return how many calls are valid, retried, and invalid."""
    valid = round(plan.contacts * plan.days * plan.repeat)
    return valid, round(valid * plan.retries), round(valid * plan.invalid)


def _days(plan: Plan) -> list[_Day]:
    latest_ms = plan.now_ms - _RECEIPT_MS
    days = []
    for after in range(plan.days):
        first = datetime.combine(plan.first_day + timedelta(days=after), time.min, plan.zone or UTC)
        start_ms = int(first.timestamp() * 1000)
        span_ms = max(1, min(_DAY_SPAN_MS, latest_ms - start_ms))
        days.append(_Day(timestamps.day(start_ms, plan.zone), start_ms, span_ms))
    return days


def _valid(frame: bytes, days: Sequence[_Day], contacts: int, number: int, drawn: bytes) -> Event:
    """Return a valid call. The first calls of all contacts on the first day have the lowest numbers."""
    copy, contact_day = divmod(number, contacts * len(days))
    place, contact = divmod(contact_day, contacts)
    day = days[place]
    email = people.address(contact)
    return Event(payload.write(frame, _call(contact, email, copy, day, drawn)), email, day.number, None)


def _invalid(frame: bytes, days: Sequence[_Day], contacts: int, number: int, drawn: bytes) -> Event:
    contact, reason = contacts + number, _REASONS[number % len(_REASONS)]
    email = people.address(contact)
    call = _call(contact, email, 0, days[number % len(days)], drawn)
    body = payload.write(frame, structs.replace(call, email=email, email_key=b"email", type=b"identify"))
    broken = faults.broken(body, reason, call.nanoseconds)
    return Event(broken, None if reason in faults.NAMELESS else email, None, reason)


def _call(contact: int, email: str, copy: int, day: _Day, drawn: bytes) -> payload.Call:
    moment, nanoseconds, delay, spelling, keys = _DRAWS.unpack_from(drawn, payload.MESSAGE_ID_BYTES)
    timestamp_ms = day.start_ms + moment % day.span_ms
    return payload.Call(
        user=contact,
        email=people.spelled(email, spelling % people.SPELLINGS),
        value=b"true" if copy % 2 == 0 else b"false",
        timestamp_ms=timestamp_ms,
        received_ms=timestamp_ms + delay % _RECEIPT_MS,
        nanoseconds=nanoseconds % 1_000_000,
        message_id=drawn[: payload.MESSAGE_ID_BYTES],
        page=delay // _PAGE_EVERY if delay % _PAGE_EVERY == 0 else None,
        email_key=_EMAIL_KEYS.get(keys, b"email"),
        type=_TYPES.get(keys, b"identify"),
    )
