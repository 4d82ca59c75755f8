"""What a worker remembers of what it has committed, and when it forgets."""

from processor.decide import ContactDay
from processor.recent_winners import RecentWinners

DAYS = [ContactDay("w", f"{n}@x.org", n % 2) for n in range(100)]


def known(winners: RecentWinners, contact_day: ContactDay) -> bool:
    return any(contact_day.email in contacts for contacts in winners.contacts(contact_day.workspace, contact_day.day))


def test_knows_what_was_committed() -> None:
    """Those contact-days and no other: neither another day's nor another workspace's."""
    winners = RecentWinners()
    winners.add(DAYS[:50])
    assert [known(winners, day) for day in DAYS] == [True] * 50 + [False] * 50
    assert not known(winners, ContactDay("w", DAYS[0].email, 1))
    assert not known(winners, ContactDay("v", DAYS[0].email, 0))


def test_forgets_when_the_assignment_changes() -> None:
    """Partitions that went may come back at an earlier offset: their winners must be emitted again."""
    winners = RecentWinners()
    winners.keep_for((1, b"this"))
    winners.add(DAYS)
    winners.keep_for((1, b"this"))
    assert known(winners, DAYS[0])
    winners.keep_for((2, b"this"))
    assert not known(winners, DAYS[0])


def test_is_bounded() -> None:
    """The newest half at least is known, and never more than the limit."""
    winners = RecentWinners(most=40)
    for day in DAYS:
        winners.add([day])
        assert sum(known(winners, each) for each in DAYS) <= 41
    assert all(known(winners, day) for day in DAYS[-20:])


def test_days_without_a_winner_take_no_memory() -> None:
    """A sender may name millions of days, of which another worker has the claims, say."""
    winners = RecentWinners()
    for day in range(1_000):
        assert not known(winners, ContactDay("w", "a@x.org", day))
    assert (winners._young, winners._old) == ({}, {})
