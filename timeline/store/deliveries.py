"""What was accepted and rejected, as it came.

Interactions and rejections are numbered as they arrive, each for itself. A cursor is two numbers, up to which both were
shown; `latest` goes down from it, `since` up. Where a filter has no index only the newest rows are looked at.
"""

import heapq
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, Final, Literal, NamedTuple

import msgspec
from sqlalchemy import Column, Connection, Row, Select, func, select

from schemas import lanes
from timeline.store.results import Delivery, Rejection, RejectionCount, Wanted
from timeline.store.tables import contacts, interactions, rejections

NEWEST: Final = 50_000  # so many rows are looked at for a filter without an index
_BODIES: Final = 2_000  # so many, where their bytes are searched
_HOUR_MS: Final = 3_600_000
_MOST: Final = (1 << 63) - 1
_ANY: Final = Wanted()

_ACCEPTED: Final = select(
    interactions.c.seq,
    interactions.c.emitted_at_ms,
    interactions.c.workspace,
    interactions.c.contact_key,
    contacts.c.email,
    interactions.c.description,
    interactions.c.message_id,
    interactions.c.source_partition,
    interactions.c.source_offset,
    interactions.c.interaction_id,
).join(contacts, contacts.c.contact_key == interactions.c.contact_key)

_Numbered = tuple[int, Delivery]


class _Stretch(NamedTuple):
    """Which numbers: after one and before another; upwards, or downwards."""

    after: int
    before: int
    up: bool

    def of(self, asked: Select[Any], number: Column[int]) -> Select[Any]:
        order = number.asc() if self.up else number.desc()
        return asked.where(number > self.after, number < self.before).order_by(order)


class Deliveries:
    """Answers about deliveries. Every answer may raise StoreDown."""

    def __init__(self, asking: Callable[[], AbstractContextManager[Connection]]) -> None:
        self._asking = asking

    def cursor(self) -> str:
        """Return where deliveries end now."""
        with self._asking() as connection:
            return _cursor(*_ends(connection))

    def latest(self, wanted: Wanted = _ANY, before: str | None = None, limit: int = 50) -> list[Delivery]:
        """Return deliveries, the newest first.

        Args:
            wanted: which ones.
            before: the cursor of the last one that was shown.
            limit: at most so many.

        Raises:
            ValueError: the cursor is none.
        """
        tops = (_MOST, _MOST) if before is None else _parts(before)
        with self._asking() as connection:
            ends = _ends(connection)
            after = [0 if wanted.contact is not None else end - NEWEST for end in ends]
            stretches = [_Stretch(first, top, up=False) for first, top in zip(after, tops, strict=True)]
            found = _found(connection, wanted, stretches, limit)
        return [*_merged(found, tops, up=False)][:limit]

    def since(self, cursor: str, wanted: Wanted = _ANY, limit: int = 200) -> list[Delivery]:
        """Return what came since, the oldest first.

        Raises:
            ValueError: the cursor is none.
        """
        seen = _parts(cursor)
        with self._asking() as connection:
            found = _found(connection, wanted, [_Stretch(after, _MOST, up=True) for after in seen], limit)
        return [*_merged(found, seen, up=True)][:limit]

    def rejection(self, place: str) -> Rejection | None:
        """Return a dead letter by its place in segment.rejected, partition:offset; None: there is none."""
        partition, _, offset = place.partition(":")
        if not (partition.isdecimal() and offset.isdecimal()):
            return None
        asked = select(rejections).where(
            rejections.c.record_partition == min(int(partition), 2**31 - 1),
            rejections.c.record_offset == min(int(offset), _MOST),
        )
        with self._asking() as connection:
            row = connection.execute(asked).one_or_none()
        if row is None:
            return None
        said = row.reason, row.message, row.stage, row.workspace, row.raw, row.received_at_ms, row.rejected_at_ms
        return Rejection(f"{row.record_partition}:{row.record_offset}", *said, _source(row), row.resent)

    def rejections(
        self, by: Iterable[Literal["reason", "workspace", "hour"]], since_ms: int = 0, until_ms: int = _MOST
    ) -> list[RejectionCount]:
        """Return how many events were rejected in a stretch of time, by what is asked for, most first."""
        at = rejections.c.rejected_at_ms
        known = {
            "reason": rejections.c.reason.label("reason"),
            "workspace": rejections.c.workspace.label("workspace"),
            "hour": (at - at % _HOUR_MS).label("hour_ms"),
        }
        columns = [known[each] for each in by]
        asked = select(func.count().label("count"), *columns).where(at >= since_ms, at < until_ms).group_by(*columns)
        with self._asking() as connection:
            found = [RejectionCount(**row) for row in connection.execute(asked).mappings()]
        return sorted((each for each in found if each.count), key=lambda each: -each.count)


def _found(
    connection: Connection, wanted: Wanted, stretches: Sequence[_Stretch], limit: int
) -> tuple[list[_Numbered], list[_Numbered]]:
    accepted, rejected = stretches
    return _accepted(connection, wanted, accepted, limit), _rejected(connection, wanted, rejected, limit)


def _accepted(connection: Connection, wanted: Wanted, stretch: _Stretch, limit: int) -> list[_Numbered]:
    if wanted.outcome == "rejected" or wanted.reason is not None:
        return []
    asked = stretch.of(_ACCEPTED, interactions.c.seq).limit(limit)
    for column, value in (
        (interactions.c.workspace, wanted.workspace),
        (interactions.c.contact_key, wanted.contact),
        (interactions.c.message_id, wanted.message_id),
    ):
        asked = asked if value is None else asked.where(column == value)
    return [
        (seq, Delivery("", "accepted", at, name, key, email, said, "", message, f"{partition}:{offset}", of))
        for seq, at, name, key, email, said, message, partition, offset, of in connection.execute(asked)
    ]


def _rejected(connection: Connection, wanted: Wanted, stretch: _Stretch, limit: int) -> list[_Numbered]:
    if wanted.outcome == "accepted" or wanted.contact is not None:
        return []  # of a dead letter no contact is known
    asked = stretch.of(select(rejections), rejections.c.seq)
    for column, value in ((rejections.c.workspace, wanted.workspace), (rejections.c.reason, wanted.reason)):
        asked = asked if value is None else asked.where(column == value)
    if wanted.message_id is None:
        rows: Iterable[Row[*tuple[Any, ...]]] = connection.execute(asked.limit(limit))
    else:
        named = wanted.message_id.encode()
        rows = [row for row in connection.execute(asked.limit(_BODIES)) if named in row.raw][:limit]
    return [(row.seq, _letter(row, wanted.message_id)) for row in rows]


def _letter(row: Row[*tuple[Any, ...]], message_id: str | None) -> Delivery:
    said = row.workspace, None, None, row.reason, row.message, message_id, _source(row)
    return Delivery("", "rejected", row.rejected_at_ms, *said, f"{row.record_partition}:{row.record_offset}")


def _merged(found: tuple[list[_Numbered], list[_Numbered]], start: tuple[int, int], *, up: bool) -> Iterator[Delivery]:
    """Yield deliveries of both kinds in the order of time, each with the cursor that goes on after it."""
    parts, sign = [*start], 1 if up else -1
    kinds = [[(kind, seq, each) for seq, each in of] for kind, of in enumerate(found)]
    for kind, seq, each in heapq.merge(*kinds, key=lambda item: sign * item[2].at_ms):
        parts[kind] = seq
        yield msgspec.structs.replace(each, cursor=_cursor(*parts))


def _ends(connection: Connection) -> tuple[int, int]:
    accepted, rejected = (
        connection.scalar(select(func.coalesce(func.max(number), 0))) or 0
        for number in (interactions.c.seq, rejections.c.seq)
    )
    return accepted, rejected


def _cursor(accepted: int, rejected: int) -> str:
    return f"{accepted}.{rejected}"


def _parts(cursor: str) -> tuple[int, int]:
    accepted, dot, rejected = cursor.partition(".")
    if not (dot and accepted.isdecimal() and rejected.isdecimal() and len(cursor) < 2 * len(str(_MOST))):
        raise ValueError("not a cursor")
    return min(int(accepted), _MOST), min(int(rejected), _MOST)


def _source(row: Row[*tuple[Any, ...]]) -> str | None:
    return None if row.source_offset is None else lanes.place(row.source_partition, row.source_offset)
