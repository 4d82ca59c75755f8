"""Token buckets: over any time a workspace gets its rate and what a bucket holds, and learns when to retry."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.rate import Bucket, Buckets
from schemas.workspace import Workspace


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def taken(bucket: Bucket, now: float) -> int:
    """Take events one at a time until there are no more; return how many there were."""
    count = 0
    while not bucket.take(1, now):
        count += 1
    return count


def test_a_bucket_holds_a_second() -> None:
    """It begins full, fills at its rate, and holds no more than a second brings, however long nobody comes."""
    bucket = Bucket(10, 0)
    assert taken(bucket, 0) == 10
    assert taken(bucket, 0.5) == 5
    assert taken(bucket, 1000) == 10


def test_a_bucket_holds_at_least_one_event() -> None:
    """A rate below one event a second lets one through now and then."""
    bucket = Bucket(0.1, 0)
    assert taken(bucket, 0) == 1
    assert bucket.take(1, 0) == 1  # the bucket is just empty
    assert taken(bucket, 20) == 1


def test_a_batch_larger_than_the_bucket_goes_on_credit() -> None:
    """It is not refused for ever; later ones wait until it is paid for, and learn how long."""
    bucket = Bucket(10, 0)
    assert bucket.take(100, 0) == 0
    assert bucket.take(1, 0) == 9
    assert bucket.take(1, 8.5) == 1
    assert bucket.take(1, 9.1) == 0


def test_to_take_none_is_to_ask() -> None:
    """Asking costs nothing, and refuses as taking does."""
    bucket = Bucket(1, 0)
    assert [bucket.take(0, 0) for _ in range(5)] == [0] * 5
    assert bucket.take(3, 0) == 0
    assert bucket.take(0, 0) == 2


@given(
    st.floats(0.01, 1000), st.lists(st.tuples(st.integers(1, 50), st.floats(0, 2)), min_size=1, max_size=50)
)  # fmt: skip
def test_no_more_than_the_rate(per_second: float, asked: list[tuple[int, float]]) -> None:
    """Over any time no more goes than a bucket, the rate, and one request on credit; Retry-After always suffices."""
    bucket, now, gone = Bucket(per_second, 0), 0.0, 0
    for events, pause in asked:
        now += pause
        wait = bucket.take(events, now)
        if wait:
            assert wait >= 1
            assert bucket.take(0, now + wait + 1e-6) == 0
            now += wait + 1e-6
        else:
            gone += events
    assert gone <= max(1, per_second) + now * per_second + 50


def test_each_workspace_has_its_own_and_processes_share() -> None:
    """One workspace's bucket is no other's; of four processes each gives a quarter."""
    clock = Clock()
    buckets = Buckets(4, clock)
    acme, other, free = Workspace("a", rate_per_second=40), Workspace("b", rate_per_second=8), Workspace("c")
    assert sum(not buckets.take(acme, 1) for _ in range(100)) == 10
    assert sum(not buckets.take(other, 1) for _ in range(100)) == 2
    assert sum(not buckets.take(free, 1) for _ in range(100)) == 100


@pytest.mark.parametrize(("new", "at_once", "in_a_second"), [(100.0, 0, 100), (2.0, 0, 2), (None, 1000, 1000)])
def test_a_new_rate_counts_from_the_next_request_on(new: float | None, at_once: int, in_a_second: int) -> None:
    """A live bucket fills at the new rate, and what was taken before stays taken."""
    clock = Clock()
    buckets = Buckets(1, clock)

    def count(rate: float | None) -> int:
        return sum(not buckets.take(Workspace("a", rate_per_second=rate), 1) for _ in range(1000))

    assert count(10.0) == 10
    assert count(new) == at_once
    clock.now += 1
    assert count(new) == in_a_second


def test_a_lower_rate_empties_a_fuller_bucket() -> None:
    """What the old rate allowed at once, the new one does not."""
    buckets = Buckets(1, Clock())
    assert buckets.take(Workspace("a", rate_per_second=1000.0), 0) == 0
    assert sum(not buckets.take(Workspace("a", rate_per_second=5.0), 1) for _ in range(1000)) == 5
