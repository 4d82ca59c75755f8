"""Records of the output topics as rows of the store. Pure.

What cannot be read is skipped, and said: whatever is in a topic, reading goes on. Databases have their own limits:
PostgreSQL takes no NUL in text, and no long text in an index.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import date
from functools import lru_cache
from typing import Any, Final

import msgspec

from schemas import avro
from schemas.forgotten import HEADER_FORGOTTEN, Forgotten
from schemas.topics import Topics
from timeline.source import Record
from timeline.store.batches import Batch, Change, Interaction, Mark
from timeline.store.keys import ContactKeys, property_key

_EPOCH_ORDINAL: Final = date(1970, 1, 1).toordinal()
_FIRST_MS: Final = (date.min.toordinal() - _EPOCH_ORDINAL) * 86_400_000
_LAST_MS: Final = (date.max.toordinal() + 1 - _EPOCH_ORDINAL) * 86_400_000 - 1
_NAME: Final = 250  # characters of a property's name or a reason: both are in indices
_RESENT: Final = "resent"

Take = Callable[[Batch, Record], None]


class Unreadable(Exception):
    """A record is none of ours, or of a newer version; the message says what is wrong with it."""


class Records:
    """Adds records to batches, by their topics."""

    def __init__(self, topics: Topics, keys: ContactKeys, by_id: Callable[[int], avro.Schema] | None = None) -> None:
        """Prepare.

        Args:
            topics: their names.
            keys: of the store's contacts.
            by_id: looks up a registry's schema.
        """
        self._plain = avro.Plain(by_id)
        self._key = keys.of
        self._takes: Mapping[str, Take] = {
            topics.interactions: self._interaction,
            topics.traits: self._trait,
            topics.rejected: self._rejection,
        }

    def add(self, batch: Batch, record: Record) -> None:
        """Add a record to a batch.

        Raises:
            Unreadable: it cannot be; nothing was added.
        """
        if record.is_unreadable:
            raise Unreadable("it cannot be decompressed")
        try:
            self._takes[record.place[0]](batch, record)
        except (avro.UnreadableValue, UnicodeDecodeError, ValueError, OverflowError, KeyError, TypeError) as error:
            raise Unreadable(type(error).__name__) from error  # its words may be the sender's

    def _interaction(self, batch: Batch, record: Record) -> None:
        if record.value is None:
            batch.forget((record.key or b"").decode(), record.written_ms)
            return
        fields = self._plain.read(record.value, "TimelineInteraction")
        workspace, email = _clean(fields["workspace"]), _clean(fields["email"])
        batch.interaction(
            Interaction(
                str(fields["interaction_id"]),
                self._key(workspace, email),
                workspace,
                _day(fields["day"]),
                _instant(fields["timestamp"]),
                _clean(fields["description"]),
                fields["described_by"],
                _clean(fields["url"]),
                _clean(fields["event"]),
                _clean(fields["message_id"]),
                fields["received_at"],
                record.written_ms,
                fields["source_partition"],
                fields["source_offset"],
                record.place[1],
                record.offset,
            ),
            email,
        )

    def _trait(self, batch: Batch, record: Record) -> None:
        key = property_key(record.key or b"")
        if record.value is None:
            batch.change(Change(key))
            return
        fields = self._plain.read(record.value, "ContactTrait")
        workspace, email = _clean(fields["workspace"]), _clean(fields["email"])
        change = Change(
            key,
            self._key(workspace, email),
            workspace,
            _short(fields["name"]),
            fields["kind"],
            msgspec.json.encode(fields["value"]).decode(),
            fields["membership"],
            _instant(fields["timestamp"]),
            _clean(fields["message_id"]),
            fields["source_partition"],
            fields["source_offset"],
        )
        batch.change(change, email)

    def _rejection(self, batch: Batch, record: Record) -> None:
        if record.value is None:
            _mark(batch, record)
            return
        fields = self._plain.read(record.value, "RejectedEvent")
        batch.rejections.append(
            {
                "record_partition": record.place[1],
                "record_offset": record.offset,
                "reason": _short(fields["reason"]),
                "message": _clean(fields["message"]),
                "stage": fields["stage"],
                "workspace": _clean(fields["workspace"] or ""),
                "raw": fields["raw"],
                "received_at_ms": fields["received_at"],
                "rejected_at_ms": record.written_ms,
                "source_partition": fields["source_partition"],
                "source_offset": fields["source_offset"],
                "resent": False,
            }
        )


def _mark(batch: Batch, record: Record) -> None:
    """Add what a tombstone marks: a dead letter that was sent again, or what was forgotten."""
    headers: Sequence[tuple[str, bytes]] = record.headers
    for name, value in headers:
        with suppress(ValueError):
            if name == _RESENT:
                batch.resent.append((record.place[1], int(value)))
            elif name == HEADER_FORGOTTEN and (said := Forgotten.unpacked(value)) is not None:
                batch.marks.append(Mark(record.place[1], said, record.written_ms))


def _clean(text: Any) -> Any:
    return text.replace("\0", "\ufffd") if text is not None and "\0" in text else text


def _short(text: str) -> str:
    return str(_clean(text if len(text) <= _NAME else f"{text[: _NAME - 1]}…"))


def _instant(epoch_ms: int) -> int:
    """Return an instant of an event; hours and days are counted from it.

    Raises:
        ValueError: no calendar has it: no worker wrote this.
    """
    if not _FIRST_MS <= epoch_ms <= _LAST_MS:
        raise ValueError
    return epoch_ms


@lru_cache(1024)
def _day(days: int) -> str:
    return date.fromordinal(days + _EPOCH_ORDINAL).isoformat()  # as both databases take it
