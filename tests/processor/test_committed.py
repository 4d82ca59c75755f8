"""What a worker remembers of what it has committed, and when it forgets."""

from processor.committed import Committed
from processor.decide import ContactDay

DAYS = [ContactDay("w", f"{n}@x.org", 1) for n in range(100)]


def test_knows_what_was_committed() -> None:
    """Those contact-days and no other."""
    committed = Committed()
    committed.add(DAYS[:50])
    assert [day in committed for day in DAYS] == [True] * 50 + [False] * 50


def test_forgets_when_the_assignment_changes() -> None:
    """Partitions that went may come back at an earlier offset: their winners must be emitted again."""
    committed = Committed()
    committed.keep_for((1, b"this"))
    committed.add(DAYS)
    committed.keep_for((1, b"this"))
    assert DAYS[0] in committed
    committed.keep_for((2, b"this"))
    assert DAYS[0] not in committed


def test_is_bounded() -> None:
    """The newest half at least is known, and never more than the limit."""
    committed = Committed(most=40)
    for day in DAYS:
        committed.add([day])
        known = sum(day in committed for day in DAYS)
        assert known <= 41
    assert all(day in committed for day in DAYS[-20:])
