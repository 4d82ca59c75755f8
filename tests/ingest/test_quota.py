"""The quota is shared so that nobody's flood is another's."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.quota import Quota

LARGE = 10**9


def filled(quota: Quota, owner: str) -> int:
    """Take one after the other for an owner while they fit; return how many it holds then."""
    taken = 0
    while quota.fits(owner, 1, 1):
        quota.take(owner, 1, 1)
        taken += 1
    return taken


@pytest.mark.parametrize(("most", "most_size"), [(1_000, LARGE), (LARGE, 1_000)], ids=["things", "bytes"])
@pytest.mark.parametrize(("floods", "each", "left"), [(1, 500, 500), (2, 333, 333), (4, 200, 200)])
def test_floods_leave_quota(most: int, most_size: int, floods: int, each: int, left: int) -> None:
    """One takes half, two a third each: as much as each takes is left for whoever comes next."""
    quota = Quota(most, most_size)
    names = [f"flood-{n}" for n in range(floods)]
    while wanted := [name for name in names if quota.fits(name, 1, 1)]:
        for name in wanted:
            quota.take(name, 1, 1)
    assert quota.count == quota.size == pytest.approx(floods * each, abs=floods)
    assert 1_000 - quota.count == pytest.approx(left, abs=floods)
    assert quota.fits("calm", left // 2, left // 2)


def test_quota_comes_back() -> None:
    """What is given is free for all, and nothing is remembered of those who hold nothing."""
    quota = Quota(10, LARGE)
    assert filled(quota, "a") == 5
    quota.give("a", 5, 5)
    assert filled(quota, "b") == 5
    quota.give("b", 5, 5)
    assert (quota.count, quota.size, quota._by_owner) == (0, 0, {})


def test_who_holds_nothing_may_ask_for_all_that_is_free() -> None:
    """One large request is no flood."""
    quota = Quota(10, 1_000)
    assert quota.fits("a", 10, 1_000)
    quota.take("b", 3, 300)
    assert quota.fits("a", 7, 700)
    assert not quota.fits("a", 8, 700)
    assert not quota.fits("a", 7, 701)
    assert not quota.fits("a", 3, 0, part=2)
    assert not quota.fits("a", 0, 300, part=2)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 50), st.integers(0, 500)), max_size=60))
def test_none_holds_more_than_was_free(asked: list[tuple[str, int, int]]) -> None:
    """Whoever asks for what in whatever order, the quota is never overfull, and each leaves what it takes."""
    quota = Quota(100, 1_000)
    for owner, count, size in asked:
        free, free_size = quota.most - quota.count, quota.most_size - quota.size
        if quota.fits(owner, count, size):
            quota.take(owner, count, size)
            assert quota._by_owner[owner][0] <= free
            assert quota._by_owner[owner][1] <= free_size
    assert quota.count <= quota.most
    assert quota.size <= quota.most_size
    held = quota._by_owner.values()
    assert (sum(count for count, _ in held), sum(size for _, size in held)) == (quota.count, quota.size)
