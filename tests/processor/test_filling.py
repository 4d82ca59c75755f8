"""How long a small batch waits for more records follows what the last transaction took."""

import pytest

from processor.filling import LEAST_S, MOST_S, Filling


@pytest.mark.parametrize(("took_s", "waits_s"), [(0.0, LEAST_S), (0.03, 0.03), (2.0, MOST_S)])
def test_a_batch_waits_as_long_as_the_last_one_took_within_bounds(took_s: float, waits_s: float) -> None:
    now = [100.0]
    filling = Filling(lambda: now[0])
    assert filling.wait_s == LEAST_S
    filling.handed_out()
    now[0] += took_s
    filling.committed()
    assert filling.wait_s == pytest.approx(waits_s)
