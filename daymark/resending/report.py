"""Shows dead letters to people and programs. Decides nothing."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from daymark import instant
from daymark.resending.faults import Marked
from daymark.resending.letters import Letter
from daymark.resending.mending import Judged, Standing
from daymark.shown import printable
from schemas import lanes

_BAR: Final = 30  # characters of the longest bar
_WORDS: Final[Mapping[Standing, str]] = {
    Standing.READY: "would be accepted now",
    Standing.REFUSED: "would be rejected again",
    Standing.SENT: "resent before",
    Standing.PARTIAL: "recorded only in part, or its workspace is unknown",
}

Groups = Counter[tuple[int, str | None, str]]  # by hour in epoch milliseconds, workspace and reason


class Counts:
    """The number of letters by hour, workspace and reason, and of those that were resent."""

    def __init__(self) -> None:
        self.rejected: Groups = Counter()
        self.resent: Groups = Counter()

    def add(self, letter: Letter, *, is_sent: bool) -> None:
        """Count a letter."""
        group = letter.hour_ms, letter.workspace, letter.reason
        self.rejected[group] += 1
        if is_sent:
            self.resent[group] += 1

    def as_json(self) -> dict[str, Any]:
        """Return the counts as JSON."""
        return {
            "rejected": self.rejected.total(),
            "resent": self.resent.total(),
            "groups": [
                {
                    "hour": instant.shown(hour_ms),
                    "workspace": workspace,
                    "reason": reason,
                    "rejected": count,
                    "resent": self.resent[hour_ms, workspace, reason],
                }
                for (hour_ms, workspace, reason), count in sorted(self.rejected.items(), key=_by_time)
            ],
        }

    def as_lines(self) -> Iterator[str]:
        """Yield a table by reason, one by workspace, one by hour."""
        yield f"{self.rejected.total():,} rejected, {self.resent.total():,} of them resent"
        for title, index in (("reason", 2), ("workspace", 1), ("hour", 0)):
            rejected, resent = _totals(self.rejected, index), _totals(self.resent, index)
            names = sorted(rejected) if index == 0 else sorted(rejected, key=lambda name: -rejected[name])
            most = max(rejected.values(), default=1)
            yield f"\n{title:<24}{'rejected':>10}{'resent':>12}"
            for name in names:
                shown = instant.shown(name)[:16].replace("T", " ") if index == 0 else str(name or "-")
                bar = "#" * -(-rejected[name] * _BAR // most)
                yield printable(f"{shown:<24}{rejected[name]:>10,}{resent[name]:>12,}  {bar}")


def line(letter: Letter, *, is_sent: bool) -> str:
    """Return a letter for a person, in one line."""
    again = "  resent" if is_sent else ""
    what = f"{letter.reason}: {letter.message} (in {letter.stage}, {len(letter.raw):,} bytes)"
    return printable(f"{letter.place}  {instant.shown(letter.rejected_ms)}  {letter.workspace or '-'}  {what}{again}")


def as_json(letter: Letter, *, is_sent: bool) -> dict[str, Any]:
    """Return a letter without its event, for a program."""
    return {
        "record": letter.place,
        "rejected_at": instant.shown(letter.rejected_ms),
        "workspace": letter.workspace,
        "reason": letter.reason,
        "message": letter.message,
        "stage": letter.stage,
        "source": None if letter.source is None else lanes.place(*letter.source),
        "received_at": None if letter.received_at_ms is None else instant.shown(letter.received_at_ms),
        "bytes": len(letter.raw),
        "resent": is_sent,
    }


def shown(letter: Letter, judged: Judged, marked: Marked) -> Iterator[str]:
    """Yield a letter with its event, the fault marked, and its outcome in a resend."""
    yield line(letter, is_sent=judged.standing is Standing.SENT)
    if letter.source is not None:
        partition, offset = letter.source
        topic = "segment.backfill" if lanes.is_backfill(partition) else "segment.events"
        yield f"it is event {lanes.own(partition)}:{offset} of {topic}"
    yield printable(f"fault: {marked.note}")
    yield from map(printable, marked.lines)
    why = f": {judged.refusal.reason}: {judged.refusal.message}" if judged.refusal else ""
    yield printable(f"now: {_WORDS[judged.standing]}{why}")


def shown_as_json(letter: Letter, judged: Judged, marked: Marked) -> dict[str, Any]:
    """Return a letter with its event, for a program; bytes that are no UTF-8 are replaced."""
    refusal = judged.refusal
    return {
        **as_json(letter, is_sent=judged.standing is Standing.SENT),
        "raw": letter.raw.decode(errors="replace"),
        "fault": marked.note,
        "places": marked.places,
        "now": judged.standing.value,
        "now_reason": None if refusal is None else str(refusal.reason),
    }


def plan(standings: Mapping[Standing, Counter[str]]) -> Iterator[str]:
    """Yield the outcome of a resend, by standing and reason."""
    for standing, words in _WORDS.items():
        reasons = standings.get(standing)
        if reasons:
            detail = ", ".join(f"{reason} {count:,}" for reason, count in reasons.most_common())
            yield f"{reasons.total():>10,}  {words} ({detail})"


def _totals(groups: Groups, index: int) -> Counter[Any]:
    totals: Counter[Any] = Counter()
    for group, count in groups.items():
        totals[group[index]] += count
    return totals


def _by_time(item: tuple[tuple[int, str | None, str], int]) -> tuple[int, str, str]:
    (hour_ms, workspace, reason), _ = item
    return hour_ms, workspace or "", reason


def places(letters: Iterable[str]) -> dict[int, set[int]]:
    """Parse coordinates as commands accept them, PARTITION:OFFSET, and return them by partition.

    Raises:
        ValueError: one of them is invalid; with its text.
    """
    found: dict[int, set[int]] = {}
    for text in letters:
        partition, _, offset = text.partition(":")
        if not (partition.isdecimal() and offset.isdecimal()):
            raise ValueError(text)
        found.setdefault(int(partition), set()).add(int(offset))
    return found
