"""Restarts of a process that dies again and again."""

from daymark.backoff import FIRST_S, LONGEST_S, STEADY_S, Backoff


def test_pauses_double_up_to_a_limit_and_begin_again_after_a_steady_run() -> None:
    backoff = Backoff()
    assert [backoff.pause(0.1) for _ in range(8)] == [0.5, 1, 2, 4, 8, 16, 30, 30]
    assert [backoff.pause(STEADY_S + 1), backoff.pause(0.1)] == [FIRST_S, 2 * FIRST_S]


def test_a_process_may_die_any_number_of_times() -> None:
    """A night in a crash loop is more than a thousand restarts: no figure grows with them."""
    backoff = Backoff()
    assert [backoff.pause(0.0) for _ in range(2_000)][-1] == LONGEST_S
