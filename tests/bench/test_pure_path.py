"""The pure path of an event has not become slower (issue 6): the one test that measures."""

import pytest

from tests.bench import guard

MOST = 1.25  # times what was noted
TRIES = 3  # whatever else runs here only ever adds


def test_an_event_costs_what_it_cost() -> None:
    """At most a quarter more than when `make bench-guard` noted it, beside the same loop in the same process."""
    noted = guard.noted()
    if noted is None:
        pytest.skip("`make bench-guard` was never run with this Python")
    limit = noted * MOST
    found: list[float] = []
    while not found or (found[-1] > limit and len(found) < TRIES):
        path, loop = guard.measured()
        found.append(path / loop)
    assert found[-1] <= limit, f"{found} times the loop's CPU; {noted} were noted, {limit:.2f} are allowed"
