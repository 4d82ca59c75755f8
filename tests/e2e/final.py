"""contact.traits as a reader of the compacted topic has it, and the simulator's truth, to be compared."""

import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from tests.flows import Committed

Of = tuple[str, str, str]  # workspace, e-mail, name


class Held(NamedTuple):
    """What a property is. The value's type counts: 1, 1.0 and true are three values."""

    type: str
    value: Any
    membership: bool | None


class Emitted(NamedTuple):
    """A record of contact.traits; `place` and `source`, its raw record's, are a partition and an offset."""

    of: Of
    held: Held
    timestamp: Any
    place: tuple[int, int]
    source: tuple[int, int]


def emitted(records: Iterable[Committed]) -> list[Emitted]:
    """Read the topic's records, in its order. Each must say what its key says, in its raw record's partition."""
    return sorted(map(_emitted, records), key=lambda one: one.place)


def compacted(records: Iterable[Emitted]) -> dict[Of, Held]:
    """Return what compaction leaves: the last record of each key, which must all be of one partition."""
    partitions: dict[Of, int] = {}
    last: dict[Of, Held] = {}
    for record in records:
        assert partitions.setdefault(record.of, record.place[0]) == record.place[0]
        last[record.of] = record.held
    return last


def read_truth(file: Path) -> dict[Of, Held]:
    """Return what `daymark simulate --truth` wrote."""
    lines = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    truth = {_of(line): _held(line) for line in lines}
    assert len(truth) == len(lines)
    return truth


def differences(found: dict[Of, Held], truth: dict[Of, Held]) -> dict[Of, tuple[Held | None, Held | None]]:
    """Return what is otherwise than it should be: (found, wanted), None for a property that is not there."""
    keys = found.keys() | truth.keys()
    return {of: (found.get(of), truth.get(of)) for of in keys if found.get(of) != truth.get(of)}


def set_back(records: Iterable[Emitted]) -> list[Of]:
    """Return the properties that a reader sees go back in time."""
    newest: dict[Of, Any] = {}
    back: list[Of] = []
    for record in records:
        if record.timestamp < newest.get(record.of, record.timestamp):
            back.append(record.of)
        newest[record.of] = max(record.timestamp, newest.get(record.of, record.timestamp))
    return back


def doubled(records: Iterable[Emitted]) -> list[tuple[int, int]]:
    """Return the raw records of which more than one change was emitted; a call of Engage has one property."""
    return [source for source, count in Counter(record.source for record in records).items() if count > 1]


def _emitted(record: Committed) -> Emitted:
    fields = record.fields
    of, source = _of(fields), (fields["source_partition"], fields["source_offset"])
    assert json.loads(record.key) == list(of)
    assert record.partition == fields["source_partition"]
    return Emitted(of, _held(fields), fields["timestamp"], (record.partition, record.offset), source)


def _of(fields: dict[str, Any]) -> Of:
    return fields["workspace"], fields["email"], fields["name"]


def _held(fields: dict[str, Any]) -> Held:
    return Held(type(fields["value"]).__name__, fields["value"], fields["membership"])
