"""What `why` and `rejected show` say of one contact's day and of one event, in the pages' words."""

import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import date
from typing import Final

import click

from daymark.auditing.records import ById
from daymark.auditing.scope import Period
from daymark.auditing.truth import Truth
from daymark.clients import Opened
from daymark.inquiry.fates import Fate, Verdict
from daymark.inquiry.search import Question, Search
from daymark.resending import faults
from daymark.settings import Settings
from schemas.workspace import DEFAULT, Workspaces
from timeline.web.sources import Marked, Trace, Unavailable

_EPOCH: Final = date(1970, 1, 1).toordinal()
_MOST: Final = 500
_PATIENCE_S: Final = 15.0
_DAY_MS: Final = 86_400_000

Opening = Callable[[], AbstractContextManager[Opened]]


class Why:
    """Searches a contact's events, one search at a time: each reads a stretch of a partition."""

    def __init__(
        self, found: Settings, opening: Opening, workspaces: Callable[[], Workspaces], by_id: ById | None
    ) -> None:
        self._found, self._opening, self._workspaces, self._by_id = found, opening, workspaces, by_id
        self._lock = threading.Lock()

    def ask(self, workspace: str, email: str, day: date, came_ms: int) -> list[Trace]:
        """Return the events of a contact-day and what became of each, the oldest first.

        Args:
            workspace: the contact's.
            email: the contact's.
            day: in the workspace's time zone.
            came_ms: when the first of them came: they are searched from a day before to the end of a claim's life
                after, since later ones are another matter.

        Raises:
            Unavailable: Kafka cannot be read, or others are asking.
        """
        until_ms = came_ms + (self._found.claim_days + 1) * _DAY_MS
        period = Period(max(0, came_ms - _DAY_MS), until_ms if until_ms < time.time() * 1000 else None)
        if not self._lock.acquire(timeout=_PATIENCE_S):
            raise Unavailable("Others are asking, too. Try again in a moment.")
        try:
            fates = self._search(Question(email=email, workspace=workspace), period)
        except click.ClickException as error:
            raise Unavailable(f"Events cannot be read: {error.message}") from None
        finally:
            self._lock.release()
        number = day.toordinal() - _EPOCH
        return [_trace(fate) for fate in fates if fate.day == number]

    def _search(self, question: Question, period: Period) -> tuple[Fate, ...]:
        lifetime = max(self._found.claim_days, self._found.clock_days)
        with self._opening() as there:
            search = Search(
                there.clients,
                self._found.topics,
                there.partitions,
                Truth(self._workspaces()),
                self._by_id,
                lifetime_days=lifetime,
            )
            return search.ask(question, period, _MOST).events


def mark(raw: bytes, reason: str, workspace: str | None, workspaces: Workspaces) -> Marked:
    """Return an event's text, the lines marked that the reason refers to."""
    found = faults.mark(raw, reason, workspaces.get(workspace or DEFAULT))
    return Marked([(line.startswith(faults.MARK), line[len(faults.MARK) :]) for line in found.lines], found.note)


def _trace(fate: Fate) -> Trace:
    return Trace(
        source=fate.source,
        at_ms=fate.appended_ms if fate.received_at_ms is None else fate.received_at_ms,
        verdict=str(fate.verdict),
        said=_said(fate),
        timestamp_ms=fate.timestamp_ms,
        message_id=fate.message_id,
        day=None if fate.day is None else date.fromordinal(fate.day + _EPOCH),
        winner=fate.winner.source if fate.winner else None,
    )


def _said(fate: Fate) -> str:
    winner = fate.winner
    match fate.verdict:
        case Verdict.TAKEN:
            return "It came first: it is the entry of the day."
        case Verdict.DUPLICATE if winner:
            is_repeat = fate.message_id is not None and fate.message_id == winner.message_id
            repeat = "It is a repeat of the same message: " if is_repeat else ""
            return f"{repeat}event {winner.source} had already won the day."
        case Verdict.REJECTED:
            return fate.message or str(fate.reason)
        case Verdict.UNREAD:
            return f"No worker has committed it yet; {fate.ahead:,} events to go."
        case Verdict.FORGOTTEN:
            return "What came of it was erased by `daymark forget`."
        case _:
            return "It was committed, but nothing that came of it was found: run `daymark audit`."
