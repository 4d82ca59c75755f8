"""What a worker remembers of what it has committed, and when it forgets."""

from processor.committed import Committed
from processor.decide import ContactDay

DAYS = [ContactDay("w", f"{n}@x.org", n % 2) for n in range(100)]


def known(committed: Committed, contact_day: ContactDay) -> bool:
    return any(contact_day.email in contacts for contacts in committed.contacts(contact_day.workspace, contact_day.day))


def test_knows_what_was_committed() -> None:
    """Those contact-days and no other: neither another day's nor another workspace's."""
    committed = Committed()
    committed.add(DAYS[:50])
    assert [known(committed, day) for day in DAYS] == [True] * 50 + [False] * 50
    assert not known(committed, ContactDay("w", DAYS[0].email, 1))
    assert not known(committed, ContactDay("v", DAYS[0].email, 0))


def test_forgets_when_the_assignment_changes() -> None:
    """Partitions that went may come back at an earlier offset: their winners must be emitted again."""
    committed = Committed()
    committed.keep_for((1, b"this"))
    committed.add(DAYS)
    committed.keep_for((1, b"this"))
    assert known(committed, DAYS[0])
    committed.keep_for((2, b"this"))
    assert not known(committed, DAYS[0])


def test_is_bounded() -> None:
    """The newest half at least is known, and never more than the limit."""
    committed = Committed(most=40)
    for day in DAYS:
        committed.add([day])
        assert sum(known(committed, each) for each in DAYS) <= 41
    assert all(known(committed, day) for day in DAYS[-20:])
