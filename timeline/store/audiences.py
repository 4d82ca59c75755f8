"""Who is in which audience, and how many came and went."""

from collections import defaultdict
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime, tzinfo
from typing import Any, Literal

from sqlalchemy import Connection, Row, func, select

from timeline.store.results import Audience, Contact, Flow
from timeline.store.tables import audience_hours, audiences, contacts, properties

_moved = (
    select(
        audience_hours.c.workspace,
        audience_hours.c.name,
        func.sum(audience_hours.c.entries).label("entered"),
        func.sum(audience_hours.c.exits).label("exited"),
    )
    .group_by(audience_hours.c.workspace, audience_hours.c.name)
    .subquery()
)
_AUDIENCE = select(
    audiences.c.workspace,
    audiences.c.name,
    audiences.c.kind,
    audiences.c.members,
    func.coalesce(_moved.c.entered, 0),
    func.coalesce(_moved.c.exited, 0),
    audiences.c.changed_at_ms,
).outerjoin(_moved, (_moved.c.workspace == audiences.c.workspace) & (_moved.c.name == audiences.c.name))


class Audiences:
    """Answers about audiences and journeys. Every answer may raise StoreDown."""

    def __init__(self, asking: Callable[[], AbstractContextManager[Connection]]) -> None:
        self._asking = asking

    def all(self, workspace: str | None = None) -> list[Audience]:
        """Return the audiences and journeys of a workspace, or of all, those with most members first."""
        asked = _AUDIENCE.order_by(audiences.c.members.desc(), audiences.c.workspace, audiences.c.name)
        if workspace is not None:
            asked = asked.where(audiences.c.workspace == workspace)
        with self._asking() as connection:
            return [_audience(row) for row in connection.execute(asked)]

    def get(self, workspace: str, name: str) -> Audience | None:
        """Return an audience or journey; None: no contact was ever in it."""
        asked = _AUDIENCE.where(audiences.c.workspace == workspace, audiences.c.name == name)
        with self._asking() as connection:
            row = connection.execute(asked).one_or_none()
        return None if row is None else _audience(row)

    def members(self, workspace: str, name: str, after: str = "", limit: int = 50) -> list[Contact]:
        """Return who is in an audience, in the order of their keys.

        Args:
            workspace: the audience's.
            name: the audience's.
            after: only contacts with a later key: the last one of the page before.
            limit: at most so many.
        """
        asked = (
            select(contacts.c.contact_key, contacts.c.workspace, contacts.c.email)
            .join(properties, properties.c.contact_key == contacts.c.contact_key)
            .where(properties.c.workspace == workspace, properties.c.name == name)
            .where(properties.c.membership.is_(True), properties.c.contact_key > after)
            .order_by(properties.c.contact_key)
            .limit(limit)
        )
        with self._asking() as connection:
            return [Contact(*row) for row in connection.execute(asked)]

    def flow(
        self,
        workspace: str,
        name: str,
        since_ms: int,
        until_ms: int,
        *,
        step: Literal["hour", "day"] = "hour",
        zone: tzinfo = UTC,
    ) -> list[Flow]:
        """Return how many entered and left, in each step in which somebody did, the oldest first.

        Args:
            workspace: the audience's.
            name: the audience's.
            since_ms: of the first hour, which is counted whole.
            until_ms: hours that begin later are left out.
            step: of an hour, or of a day of the zone: an hour counts to the day in which it begins.
            zone: the workspace's.
        """
        hours = audience_hours.c
        asked = (
            select(hours.hour_ms, hours.entries, hours.exits)
            .where(hours.workspace == workspace, hours.name == name)
            .where(hours.hour_ms > since_ms - 3_600_000, hours.hour_ms <= until_ms)
            .order_by(hours.hour_ms)
        )
        found: dict[int, list[int]] = defaultdict(lambda: [0, 0])
        with self._asking() as connection:
            for hour_ms, entries, exits in connection.execute(asked):
                counts = found[hour_ms if step == "hour" else _day_ms(hour_ms, zone)]
                counts[0] += entries
                counts[1] += exits
        return [Flow(at_ms, *counts) for at_ms, counts in found.items()]


def _audience(row: Row[*tuple[Any, ...]]) -> Audience:
    workspace, name, kind, members, entered, exited, changed_at_ms = row
    return Audience(workspace, name, kind, members, int(entered), int(exited), changed_at_ms)  # sums may be decimals


def _day_ms(instant_ms: int, zone: tzinfo) -> int:
    at = datetime.fromtimestamp(instant_ms / 1000, zone)
    return int(at.replace(hour=0, minute=0, second=0, microsecond=0).timestamp() * 1000)
