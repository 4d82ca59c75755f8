"""Nothing lost, nothing doubled, whatever fails between whichever two calls: a state machine tries.

HYPOTHESIS_PROFILE=deep tries fifty times as much.
"""

import pytest
from hypothesis import settings

from tests.model.events import Event
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


@pytest.mark.xfail(strict=True, reason="a claim that comes late takes a lost key for a record that is done with")
def test_a_stale_claim_after_the_loss_of_a_key_loses_no_day() -> None:
    """Of one contact-day spread over two partitions, which takes a change of their number (DECISIONS.md, 61)."""
    state = WorkersOverALossyRedis()
    state.begin(raw=[(1, Event())])
    state.freeze(slot="b", at="claim", driver_knows=False, meanwhile=None)  # with the record of partition 1
    state.append(raw=[(0, Event())])
    state.call_fails(slot="a", at="produce", effect="none", aborts=True)  # partition 0 has claimed the day
    state.work_until(slot="a", before="committed", cut=[1])  # partition 1 is a duplicate of it
    state.redis_loses(writes=1 << 20)
    state.zombie_goes_on(calls=1, cut=[0], deaf=False)  # claims the day for partition 1
    state.teardown()  # partition 0 is a duplicate of it
    assert state.promises.lost_days() == []
