"""What hunts for breaks found is kept, and told as a table."""

from pathlib import Path

from tests.world.table import Hunt, keep, kept, lines

_HUNTS = [Hunt("code", "no-owner", 1, 0.5), Hunt("code", "no-owner", 1001, 2.5), Hunt("code", "no-owner", 2001, None)]


def test_an_interrupted_table_goes_on(tmp_path: Path) -> None:
    """What is kept is what was found, also where nothing was."""
    path = tmp_path / "new" / "hunts.jsonl"
    assert kept(path) == []
    for hunt in _HUNTS:
        keep(path, hunt)
    assert kept(path) == _HUNTS


def test_a_table_tells_how_many_found_a_break_and_how_soon() -> None:
    """A hunt that found nothing counts among them, and has no time."""
    assert [*lines(["no-owner"], _HUNTS)][-1] == "| `no-owner` | 2 of 3 | 1.5 | 2.5 |"
