"""`daymark backfill`, without Kafka: the archive's lines, what is sent for them, what is kept over a kill."""

import gzip
import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from daymark.backfilling import archive
from daymark.backfilling.archive import Damaged
from daymark.backfilling.batches import Batch, batches, left
from daymark.backfilling.judging import Event, Wanted, judge
from daymark.backfilling.state import Place, State, StateFault, open_state
from daymark.commands import backfill
from schemas.rejections import Rejection
from schemas.workspace import PLAIN

NOW_MS = 1_796_000_000_000
ANY = Wanted()
AIM = {"--workspace": "w"}


def identify(**fields: Any) -> bytes:
    event = {"type": "identify", "traits": {"email": "A@example.org"}, "timestamp": "2026-10-01T10:00:00Z"}
    return json.dumps({**event, **fields}).encode()


def texts(path: Path, skip: int = 0, most: int = 100) -> list[bytes | None]:
    return [line.text for line in archive.lines(archive.find([path]).files[0], skip, most)]


def judged(line: bytes | None, wanted: Wanted = ANY) -> Event | str | None:
    found = judge(line, PLAIN, wanted, NOW_MS)
    return found.reason.value if isinstance(found, Rejection) else found


def test_lines_come_from_plain_and_compressed_files(tmp_path: Path) -> None:
    """Compression is recognised by content, gzip members are joined; byte order mark and line ends are removed."""
    plain, packed = tmp_path / "a.gz", tmp_path / "b.json"
    plain.write_bytes(b"\xef\xbb\xbfone\r\n\ntwo")
    packed.write_bytes(gzip.compress(b"one\ntw") + gzip.compress(b"o\nthree\n"))
    assert texts(plain) == [b"one", b"", b"two"]
    assert texts(packed) == [b"one", b"two", b"three"]
    assert texts(packed, skip=2) == [b"three"]


def test_a_line_that_is_too_long_is_one_line(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    file.write_bytes(b"x" * 100 + b"\n" + b"y" * 1_000_000 + b"\nz\n" + b"y" * 101)
    assert texts(file) == [b"x" * 100, None, b"z", None]


@pytest.mark.parametrize("cut", [12, 200, 2000])
def test_no_part_of_a_line_comes_from_a_file_that_was_cut(tmp_path: Path, cut: int) -> None:
    whole = [b"%d %s" % (number, b"x" * (number * 7919 % 83)) for number in range(3_000)]
    file = tmp_path / "a.gz"
    file.write_bytes(gzip.compress(b"\n".join(whole))[:cut])
    found: list[bytes | None] = []
    with pytest.raises(Damaged, match=r"a\.gz"):
        found.extend(line.text for line in archive.lines(archive.find([file]).files[0], 0, 100))
    assert found == whole[: len(found)]


def test_folders_are_searched_and_stray_files_counted(tmp_path: Path) -> None:
    days = tmp_path / "segment-logs" / "source"
    for name in ("1432684800000/b.gz", "1432771200000/a.gz", "1432684800000/c.json.gz", "dummy-object.txt", ".x.gz"):
        (days / name).parent.mkdir(parents=True, exist_ok=True)
        (days / name).write_bytes(b"")
    found = archive.find([tmp_path, days / "1432771200000"])
    assert [file.name.removeprefix(f"{days}/") for file in found.files] == [
        "1432684800000/b.gz",
        "1432684800000/c.json.gz",
        "1432771200000/a.gz",
    ]
    assert found.stray == 2
    assert len(archive.find([days / "dummy-object.txt"]).files) == 1  # it was named


def test_identifies_are_sent_and_the_rest_is_counted_by_reason() -> None:
    event = judged(b" " + identify(writeKey="secret"))
    assert isinstance(event, Event)
    assert (event.key, event.timestamp_ms) == (b"a@example.org", 1_790_848_800_000)
    assert b"secret" not in event.value
    assert judged(json.dumps({"type": "track", "event": "x"}).encode()) == "unsupported_type"
    assert judged(b'{"traits": {"email": "a@example.org"}, "timestamp": 1}') == "unsupported_type"
    assert judged(identify(traits={})) == "missing_email"
    assert judged(b"{nonsense") == "malformed_json"
    assert judged(b"[]") == "not_an_object"
    assert judged(b"\xff\xfe") == "malformed_json"
    assert judged(None) == "too_large"


def test_time_decides_since_is_within_and_until_is_not() -> None:
    at = 1_790_848_800_000
    assert judged(identify(), Wanted(at, None)) is not None
    assert judged(identify(), Wanted(at + 1, None)) is None
    assert judged(identify(), Wanted(None, at)) is None
    assert judged(identify(), Wanted(at, at + 1)) is not None


def test_a_time_in_the_future_of_its_receipt_is_refused_as_it_was_then() -> None:
    assert judged(identify(receivedAt="2026-09-01T10:00:00Z")) == "timestamp_in_future"
    assert isinstance(judged(identify(receivedAt="2026-10-01T10:00:00Z")), Event)
    assert isinstance(judged(identify(receivedAt="nonsense")), Event)
    assert judged(identify(timestamp="2030-01-01", receivedAt="2030-01-01T00:00:00Z")) == "timestamp_in_future"


def opened(path: Path, **aim: Any) -> State:
    return open_state(path / "state", {**AIM, **aim})


@pytest.mark.parametrize(("committed", "counts"), [(None, 1), (1, 1), (2, 2)])
def test_a_batch_under_way_counts_if_kafka_has_its_number(tmp_path: Path, committed: int | None, counts: int) -> None:
    with opened(tmp_path) as state:
        state.settle(None)
        assert state.intend({"sent": 1}, {"a": Place(3, None)}) == 1
        state.settle(1)
        assert state.intend({"sent": 2}, {"a": Place(4, 9), "b": Place(1, None)}) == 2
    with opened(tmp_path) as state:  # after a kill
        state.settle(committed)
        assert (state.sequence, state.counts) == (counts, {"sent": counts})
        assert state.done == ({"a": Place(4, 9), "b": Place(1, None)} if counts == 2 else {"a": Place(3, None)})
        assert state.intend({}, {}) == counts + 1
    with opened(tmp_path) as state:
        assert state.sequence == counts


def test_a_state_is_refused_for_something_else(tmp_path: Path) -> None:
    """Of another aim, of another process, older than what was sent, or no state at all."""
    with opened(tmp_path) as state, pytest.raises(StateFault, match="another backfill uses it"):
        opened(tmp_path)
    with pytest.raises(StateFault, match="--workspace w"):
        opened(tmp_path, **{"--workspace": "v"})
    with opened(tmp_path) as state, pytest.raises(StateFault, match="older copy"):
        state.settle(7)
    (tmp_path / "state").write_bytes(b"no database" * 100)
    with pytest.raises(StateFault, match="not the state"):
        opened(tmp_path)


def run_through(path: Path, done: dict[str, Place], most: int, damaged: list[str] | None = None) -> list[Batch]:
    files = left(archive.find([path]).files, done)
    return list(
        batches(files, done, lambda line: judge(line, PLAIN, ANY, NOW_MS), most, [] if damaged is None else damaged)
    )


def test_batches_go_on_where_they_ended_in_files_that_grow(tmp_path: Path) -> None:
    """Whatever the batches' size, places taken one after the other leave no line out and read none twice."""
    emails = [f"{number}@example.org" for number in range(10)]
    for name, some in (("a.json", emails[:4]), ("b.json", emails[4:7]), ("c.json", [])):
        (tmp_path / name).write_bytes(b"\n".join(identify(traits={"email": email}) for email in some))
    done: dict[str, Place] = {}
    sent = []
    while todo := run_through(tmp_path, done, 2):
        sent += [event.key.decode() for event in todo[0].events]  # the others are lost in a kill
        done |= todo[0].places
    assert sent == emails[:7]
    with (tmp_path / "a.json").open("ab") as file:
        file.write(b"\n" + identify(traits={"email": emails[7]}))
    assert [event.key.decode() for batch in run_through(tmp_path, done, 2) for event in batch.events] == [emails[7]]


def test_a_line_that_was_cut_is_sent_once_the_file_is_whole(tmp_path: Path) -> None:
    """A file that was read while it was copied, or written: what had come of its last line is no line."""
    file, emails = tmp_path / "a.json", [f"{number}@example.org" for number in range(3)]
    whole = b"\n".join(identify(traits={"email": email}) for email in emails)
    done: dict[str, Place] = {}
    sent, damaged = list[str](), list[str]()
    for size in (len(whole) * 5 // 6, len(whole) * 5 // 6 + 1, len(whole), len(whole)):
        file.write_bytes(whole[:size])
        for batch in run_through(tmp_path, done, 2, damaged):
            sent += [event.key.decode() for event in batch.events]
            done |= batch.places
            assert not batch.rejected
    assert sent == emails
    assert [told.partition(" ends ")[2] for told in damaged] == ["within line 3"] * 2


def test_memory_does_not_grow_with_the_archive(tmp_path: Path) -> None:
    line = identify() + b"\n"
    peaks = []
    for lines in (6_000, 30_000):
        (tmp_path / "a.gz").write_bytes(gzip.compress(line * lines, 1))
        files = archive.find([tmp_path]).files
        tracemalloc.start()
        assert sum(len(each.events) for each in batches(files, {}, lambda _: Event(b"", b"", 0), 2000, [])) == lines
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] * 1.5


def test_a_dry_run_counts_without_kafka(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.gz").write_bytes(gzip.compress(identify() + b'\n{"type": "page"}\n\n'))
    (tmp_path / "b.gz").write_bytes(gzip.compress(identify())[:-6])
    (tmp_path / "readme.txt").write_bytes(b"")
    arguments = [str(tmp_path), "--workspace", "w", "--dry-run"]
    result = CliRunner().invoke(backfill.command, [*arguments, "--json"], env={"DAYMARK_KAFKA": "127.0.0.1:1"})
    found = json.loads(result.stdout)
    assert result.exit_code == 1  # a file is damaged
    assert "b.gz" in found["damaged"][0]
    assert (found["files"], found["stray"], found["rejected"]) == (2, 1, {"unsupported_type": 1})
    assert found["earliest"] == "2026-10-01T10:00:00.000Z"
    text = CliRunner().invoke(backfill.command, arguments, env={"DAYMARK_KAFKA": "127.0.0.1:1"}).stdout
    assert "would be sent" in text
    assert "which takes about 0 s at 1,000 events/s" in text
    assert not (tmp_path / "daymark-backfill.state").exists()
