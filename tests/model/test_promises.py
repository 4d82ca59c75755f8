"""Nothing lost, nothing doubled, whatever fails between whichever two calls: a state machine tries."""

import pytest
from hypothesis import Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.model.machine import Workers, WorkersOverALossyRedis

# Without the phase that explains: it traces lines, and loses its count where threads take turns.
_SETTINGS = settings(stateful_step_count=60, phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink])
_STEPS = 20_000  # at least, of each machine, in a normal run


@pytest.mark.parametrize("machine", [Workers, WorkersOverALossyRedis])
def test_no_fault_breaks_a_promise(machine: type[Workers]) -> None:
    """Tens of thousands of steps of three workers and their zombies: every promise after each of them."""
    machine.steps = 0
    run_state_machine_as_test(machine, settings=_SETTINGS)
    print(f"{machine.__name__}: {machine.steps} steps")
    assert machine.steps >= _STEPS
