"""What a following audit remembers, and when a record may come again."""

from pathlib import Path

import pytest

from daymark.auditing.known import LOST, Emission, Known, signed
from daymark.auditing.resets import Resets

ID = bytes(16)
DAY_MS = 86_400_000


def emission(offset: int = 5, content: int | None = 1, at: int = 7, at_ms: int = 0) -> Emission:
    return Emission(ID, 0, offset, content, 0, at, at_ms)


def test_the_last_emission_is_remembered(tmp_path: Path) -> None:
    known = Known(tmp_path / "known", 8 * DAY_MS)
    assert known.take(emission()) is None
    assert known.take(emission()) is None  # the very record, met again
    assert known.take(emission(at=8)) == emission()
    assert known.get(ID) == emission(at=8)
    assert known.take(emission(at=9, at_ms=8 * DAY_MS)) is None  # no claim stands against it any more
    known.forget_before(18 * DAY_MS)
    assert known.get(ID) is None
    known.close()


def test_what_is_the_same_again() -> None:
    assert emission().is_of(emission(at=9, at_ms=4))
    assert not emission().is_of(emission(content=2))
    assert not emission().is_of(emission(offset=6))
    assert emission(at=LOST, content=None).is_lost


@pytest.mark.parametrize("content", [0, 1, 2**63 - 1, 2**63, 2**64 - 1])
def test_prints_fit_and_are_told_apart(tmp_path: Path, content: int) -> None:
    known = Known(tmp_path / "known", 8 * DAY_MS)
    known.put([emission(content=signed(content))])
    found = known.get(ID)
    assert found is not None
    assert found.content is not None
    assert found.content & (2**64 - 1) == content
    known.close()


def test_resets_are_noticed() -> None:
    """What was committed before a group was set back may come again, and nothing else."""
    resets = Resets({0: 10, 1: 20})
    assert resets.look({0: 15, 1: 20}) == 0
    assert not resets.covers(0, 12)
    assert resets.look({0: 12, 1: 20}) == 1
    assert [resets.covers(0, offset) for offset in (11, 12, 14, 15)] == [False, True, True, False]
    assert not resets.covers(1, 12)
    assert resets.look({0: 30, 1: 21}) == 0
    assert resets.furthest == {0: 30, 1: 21}
    assert resets.covers(0, 12)
