"""Nothing lost, nothing doubled, whatever fails between whichever two calls: a state machine tries.

HYPOTHESIS_PROFILE=deep tries fifty times as much.
"""

import pytest
from hypothesis import settings

from tests.model.exploration import EXAMPLES, explore
from tests.model.machine import Workers, WorkersOverALossyRedis

_PARTS = 4  # for xdist
_RUNS = settings.default.max_examples * 2 // EXAMPLES // _PARTS if settings.default else 0
_STEPS_A_RUN = 1_000  # at the least: five runs, four parts and two machines make 40,000 steps


@pytest.mark.timeout(0)
@pytest.mark.parametrize("part", range(_PARTS))
@pytest.mark.parametrize("machine", [Workers, WorkersOverALossyRedis])
def test_no_fault_breaks_a_promise(machine: type[Workers], part: int) -> None:
    """Tens of thousands of steps of two workers and their zombies: every promise after each of them."""
    machine.steps = 0
    explore(machine, range(part * _RUNS, (part + 1) * _RUNS))
    assert machine.steps >= _RUNS * _STEPS_A_RUN
