"""Who is in which audience, and how many came and went."""

from collections import defaultdict
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime, time, timedelta, tzinfo
from typing import Any, Literal

from sqlalchemy import Connection, Row, Select, func, select

from timeline.store.results import Audience, Contact, Flow
from timeline.store.tables import audience_hours, audiences, contacts, properties


class Audiences:
    """Answers about audiences and journeys. Every answer may raise StoreDown."""

    def __init__(self, asking: Callable[[], AbstractContextManager[Connection]]) -> None:
        self._asking = asking

    def all(self, workspace: str | None = None) -> list[Audience]:
        """Return the audiences and journeys of a workspace, or of all, those with most members first."""
        asked = _asked() if workspace is None else _asked(workspace=workspace)
        asked = asked.order_by(audiences.c.members.desc(), audiences.c.workspace, audiences.c.name)
        with self._asking() as connection:
            return [_audience(row) for row in connection.execute(asked)]

    def names(self) -> list[tuple[str, str]]:
        """Return the workspace and the name of each audience and journey, in no order."""
        with self._asking() as connection:
            found = connection.execute(select(audiences.c.workspace, audiences.c.name))
            return [(workspace, name) for workspace, name in found]

    def get(self, workspace: str, name: str) -> Audience | None:
        """Return an audience or journey; None: no contact was ever in it."""
        with self._asking() as connection:
            row = connection.execute(_asked(workspace=workspace, name=name)).one_or_none()
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
            at_ms = next_ms = 0
            for hour_ms, entries, exits in connection.execute(asked):
                if step == "hour":
                    at_ms = hour_ms
                elif hour_ms >= next_ms:  # once a day, not once an hour: zones are slow
                    at_ms, next_ms = _day(hour_ms, zone)
                counts = found[at_ms]
                counts[0] += entries
                counts[1] += exits
        return [Flow(at_ms, *counts) for at_ms, counts in found.items()]


def _asked(**of: str) -> Select[tuple[Any, ...]]:
    """Return the question for the audiences whose columns have these values; only their hours are added up."""
    hours = audience_hours.c
    moved = (
        select(
            hours.workspace, hours.name, func.sum(hours.entries).label("entered"), func.sum(hours.exits).label("exited")
        )
        .where(*(hours[column] == value for column, value in of.items()))
        .group_by(hours.workspace, hours.name)
        .subquery()
    )
    same = (moved.c.workspace == audiences.c.workspace) & (moved.c.name == audiences.c.name)
    return (
        select(
            *(audiences.c[column] for column in ("workspace", "name", "kind", "members")),
            func.coalesce(moved.c.entered, 0),
            func.coalesce(moved.c.exited, 0),
            audiences.c.changed_at_ms,
        )
        .outerjoin(moved, same)
        .where(*(audiences.c[column] == value for column, value in of.items()))
    )


def _audience(row: Row[*tuple[Any, ...]]) -> Audience:
    workspace, name, kind, members, entered, exited, changed_at_ms = row
    return Audience(workspace, name, kind, members, int(entered), int(exited), changed_at_ms)  # sums may be decimals


def _day(instant_ms: int, zone: tzinfo) -> tuple[int, int]:
    """Return when the day of an instant begins, and when the next one does, in epoch milliseconds."""
    day = datetime.fromtimestamp(instant_ms / 1000, zone).date()
    begins, ends = (datetime.combine(each, time.min, zone).timestamp() for each in (day, day + timedelta(1)))
    return int(begins * 1000), int(ends * 1000)
