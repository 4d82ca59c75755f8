"""The lines of an archive in batches: the events to send, the counts, and the position in each file."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from daymark.backfilling import archive
from daymark.backfilling.archive import Damaged, File, Line
from daymark.backfilling.judging import LINE_BYTES, Event
from daymark.backfilling.state import Place
from schemas.rejections import Reason, Rejection

MOST_EVENTS: Final = 2_000
_MOST_LINES: Final = 50_000  # of a batch that has hardly anything to send
_MOST_FILES: Final = 1_000
_NOWHERE: Final = Place(0, None)

Judge = Callable[[bytes | None], Event | Rejection | None]


@dataclass(slots=True)
class Batch:
    """Some lines.

    Attributes:
        events: to be sent, in their order.
        lines: that were judged, without empty ones.
        other_time: identifies outside the wanted time range.
        rejected: the other lines, by reason.
        places: the position in each file after the batch.
        read: bytes of the files, as stored.
    """

    events: list[Event] = field(default_factory=list)
    lines: int = 0
    other_time: int = 0
    rejected: dict[str, int] = field(default_factory=dict)
    places: dict[str, Place] = field(default_factory=dict)
    read: int = 0

    def note(self, found: Event | Rejection | None) -> None:
        """Take a line."""
        self.lines += 1
        if isinstance(found, Event):
            self.events.append(found)
        elif found is None:
            self.other_time += 1
        else:
            self.rejected[found.reason.value] = self.rejected.get(found.reason.value, 0) + 1

    def is_full(self, most_events: int) -> bool:
        """Whether nothing more should be added."""
        return len(self.events) >= most_events or self.lines >= _MOST_LINES or len(self.places) >= _MOST_FILES

    def added_to(self, counts: Mapping[str, Any]) -> dict[str, Any]:
        """Return counts so far with this batch's added, as `report` shows them."""
        rejected = dict(counts.get("rejected", {}))
        for reason, lines in self.rejected.items():
            rejected[reason] = rejected.get(reason, 0) + lines
        times = [event.timestamp_ms for event in self.events]
        times += [counts[end] for end in ("earliest_ms", "latest_ms") if counts.get(end) is not None]
        return {
            "lines": counts.get("lines", 0) + self.lines,
            "sent": counts.get("sent", 0) + len(self.events),
            "other_time": counts.get("other_time", 0) + self.other_time,
            "rejected": rejected,
            "earliest_ms": min(times, default=None),
            "latest_ms": max(times, default=None),
        }


def left(files: Iterable[File], done: Mapping[str, Place]) -> list[File]:
    """Return the files that were not read to the end, or have grown since."""
    return [file for file in files if done.get(file.name, _NOWHERE).size != file.size]


def batches(
    files: Iterable[File], done: Mapping[str, Place], judge: Judge, most_events: int, damaged: list[str]
) -> Iterator[Batch]:
    """Yield the rest of the files, batch by batch.

    Args:
        files: that are left.
        done: the position in each file after the last run.
        judge: decides about a line.
        most_events: of a batch.
        damaged: called with each file that cannot be read to its end; its complete lines are yielded.
    """
    batch = Batch()
    for file in files:
        number, read = done.get(file.name, _NOWHERE).lines, 0
        try:
            for line in archive.lines(file, number, LINE_BYTES):
                batch.read += line.read - read
                read = line.read
                if line.text is None or line.text.strip():
                    batch.note(_judged(line, judge, file))
                number = line.number
                batch.places[file.name] = Place(number, None)
                if batch.is_full(most_events):
                    yield batch
                    batch = Batch()
            batch.places[file.name] = Place(number, file.size)
        except Damaged as error:
            damaged.append(str(error))
        batch.read += file.size - read
    if batch.places:
        yield batch


def _judged(line: Line, judge: Judge, file: File) -> Event | Rejection | None:
    """Judge a line. One that was cut is left to a later run, when the file is whole.

    Raises:
        Damaged: the file ends within it.
    """
    found = judge(line.text)
    if not line.is_ended and isinstance(found, Rejection) and found.reason is Reason.MALFORMED_JSON:
        raise Damaged(f"{file.name} ends within line {line.number:,}")
    return found
