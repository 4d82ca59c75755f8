"""The order in which the calls of a life arrive (late, repeated, replayed), and their bytes. Pure.

Out of order: a share of the calls is held back until a newer call of the same property has been sent, half of them for
a few hours at most; then they are sent among others. A replay sends the calls of the first half of the hours so far
once more: the same calls and timestamps, in their original order, `integrations` rewritten as Segment does it. A
repeated call is sent again byte for byte, a while after the first.

Invariants: every call of the history arrives; memory holds only the calls that are held back or wait to be repeated.
"""

import hashlib
import random
import struct
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import msgspec

from daymark.simulation import computations, life, order, payload, people
from daymark.simulation.audience import Event
from daymark.simulation.life import Life, Notice
from schemas import timestamps
from schemas.rejections import Reason

_MOST_HOURS_LATE = 12

# Of the calls that may be sent, each waits for this many others on average.
_LATE_EVERY, _AGAIN_EVERY = 8, 16

_PAGE_EVERY = 4

# What is random in a call: nanoseconds, delay and page, spelling of the address.
_PLACE = struct.Struct("<IIBB")
_DRAWS = struct.Struct("<IHB")

_Key = tuple[int, int, int]


class Sending(NamedTuple):
    """A call under way, and whether a replay sends it, it was held back, or it will be repeated."""

    notice: Notice
    replayed: bool
    is_late: bool
    is_repeated: bool


def events(plan: Life) -> Iterator[Event]:
    """Yield the calls of a life in the order in which they arrive."""
    writer = _Writer(plan)
    for sending in arrivals(plan):
        yield writer.write(sending)


def arrivals(plan: Life) -> Iterator[Sending]:
    """Yield the calls in the order in which they arrive, repeated ones twice."""
    return _again(_late(sent(plan), plan), plan)


def sent(plan: Life) -> Iterator[Sending]:
    """Yield the calls in the order in which Engage makes them, each once."""
    chance = _chance("sent", plan)
    replays = replay_hours(plan)
    hour = 0
    for notice in life.history(plan):
        for over in range(hour, notice.hour):
            yield from _replays(plan, replays.count(over), over // 2, chance)
        hour = notice.hour
        yield Sending(
            notice,
            replayed=False,
            is_late=chance.random() < plan.out_of_order,
            is_repeated=chance.random() < plan.repeated,
        )
    yield from _replays(plan, replays.count(hour), hour // 2, chance)


def replay_hours(plan: Life) -> Sequence[int]:
    """Return the hours after which replays take place, in order; each covers the first half of the hours so far."""
    return [(plan.hours - 1) * (2 * number + 2) // (2 * plan.replays + 1) for number in range(plan.replays)]


def _replays(plan: Life, count: int, last_hour: int, chance: random.Random) -> Iterator[Sending]:
    for _ in range(count):
        for notice in life.history(plan):
            if notice.hour > last_hour:
                break
            yield Sending(notice, replayed=True, is_late=False, is_repeated=chance.random() < plan.repeated)


def _late(sent: Iterable[Sending], plan: Life) -> Iterator[Sending]:
    chance = _chance("late", plan)
    held, hour, may_go = _Held(plan.hours, chance), 0, list[Sending]()
    for sending in sent:
        if sending.is_late:
            held.hold(sending)
            continue
        yield sending
        if not sending.replayed:
            for begun in range(hour, sending.notice.hour):
                may_go += held.due(begun + 1)
            hour = sending.notice.hour
            may_go += held.overtaken(sending.notice)
        if may_go and chance.randrange(_LATE_EVERY) == 0:
            yield order.take_any(may_go, chance)
    may_go += held.rest()
    chance.shuffle(may_go)
    yield from may_go


class _Held:
    """Calls held back, by property and identifier."""

    def __init__(self, hours: int, chance: random.Random) -> None:
        self._chance = chance
        self._waiting: dict[_Key, list[Sending]] = {}
        self._until: list[list[_Key]] = [[] for _ in range(hours)]

    def hold(self, sending: Sending) -> None:
        """Hold a call back until it is overtaken, some of them for a few hours at most."""
        key = _key(sending.notice)
        self._waiting.setdefault(key, []).append(sending)
        until = sending.notice.hour + self._chance.randint(1, 2 * _MOST_HOURS_LATE)
        if until <= sending.notice.hour + _MOST_HOURS_LATE and until < len(self._until):
            self._until[until].append(key)

    def overtaken(self, notice: Notice) -> list[Sending]:
        """Release the calls that this newer one has overtaken."""
        return self._waiting.pop(_key(notice), [])

    def due(self, hour: int) -> list[Sending]:
        """Release the calls that were to wait until this hour."""
        keys, self._until[hour] = self._until[hour], []
        return [sending for key in keys for sending in self._waiting.pop(key, ())]

    def rest(self) -> list[Sending]:
        """Release all."""
        return [sending for waiting in self._waiting.values() for sending in waiting]


def _key(notice: Notice) -> _Key:
    return notice.person, notice.which, notice.place


def _again(arriving: Iterable[Sending], plan: Life) -> Iterator[Sending]:
    chance, may_go = _chance("again", plan), list[Sending]()
    for sending in arriving:
        yield sending
        if may_go and chance.randrange(_AGAIN_EVERY) == 0:
            yield order.take_any(may_go, chance)
        if sending.is_repeated:
            may_go.append(sending)
    chance.shuffle(may_go)
    yield from may_go


def _chance(of: str, plan: Life) -> random.Random:
    return random.Random(f"{of} {plan.seed}")  # noqa: S311  draws to be repeated, no secrets


class _Writer:
    """Encodes calls; the same notice always gives the same call."""

    def __init__(self, plan: Life) -> None:
        self._plan = plan
        self._computations = computations.computations(plan.audience)
        self._frames = {
            replayed: [payload.template(each.key, each.kind, replayed=replayed) for each in self._computations]
            for replayed in (False, True)
        }
        self._secret = hashlib.blake2b(str(plan.seed).encode(), digest_size=32).digest()

    def write(self, sending: Sending) -> Event:
        notice = sending.notice
        computed = computations.place(notice.person, notice.which)
        timestamp_ms = life.timestamp_ms(self._plan, notice)
        contact = life.contact(notice)
        email = None if contact is None else people.address(contact)
        body = payload.write(
            self._frames[sending.replayed][computed], self._call(notice, computed, email, timestamp_ms)
        )
        if email is None:
            return Event(body, None, None, Reason.MISSING_EMAIL)
        return Event(body, email, timestamps.day(timestamp_ms, self._plan.zone), None)

    def _call(self, notice: Notice, computed: int, email: str | None, timestamp_ms: int) -> payload.Call:
        place = _PLACE.pack(notice.hour, notice.person, notice.which, notice.place)
        size = payload.MESSAGE_ID_BYTES + _DRAWS.size
        drawn = hashlib.blake2b(place, digest_size=size, key=self._secret).digest()
        nanoseconds, delay, spelling = _DRAWS.unpack_from(drawn, payload.MESSAGE_ID_BYTES)
        return payload.Call(
            user=notice.person,
            email=None if email is None else people.spelled(email, spelling % people.SPELLINGS),
            value=msgspec.json.encode(self._computations[computed].value(notice.person, notice.code)),
            timestamp_ms=timestamp_ms,
            received_ms=timestamp_ms + delay % life.RECEIPT_MS,
            nanoseconds=nanoseconds % 1_000_000,
            message_id=drawn[: payload.MESSAGE_ID_BYTES],
            page=delay // _PAGE_EVERY if delay % _PAGE_EVERY == 0 else None,
            anonymous=people.identity(notice.person).identifiers[notice.place].anonymous,
        )
