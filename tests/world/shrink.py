"""A failing world's shortest schedule: faults are left out for as long as a promise of the same sort stays broken."""

from collections.abc import Callable

from tests.world.run import Outcome, Plan

_AFTER_S = 10.0  # of a schedule's last fault: longer than the longest of them is not needed for what gets stuck


def shrink(plan: Plan, outcome: Outcome, run: Callable[[Plan], Outcome], tries: int) -> tuple[Plan, Outcome]:
    """Return a shorter plan that breaks a promise of the same sort, and what came of it.

    Args:
        plan: that breaks a promise.
        outcome: of it.
        run: simulates a plan.
        tries: how many plans are tried at most.
    """
    best, found = plan, outcome
    size = len(plan.faults)
    while tries > 0 and size:
        shorter = None
        for start in range(0, len(best.faults), size):
            if tries <= 0:
                break
            tries -= 1
            shorter = _ended(best._replace(faults=[*best.faults[:start], *best.faults[start + size :]]), found)
            came = run(shorter)
            if came.broken and came.kind == outcome.kind:
                best, found = shorter, came
                break
            shorter = None
        if shorter is None:
            size //= 2
    return best, found


def _ended(plan: Plan, outcome: Outcome) -> Plan:
    """Return a plan without what comes after the failure: the first time it is as long as it was."""
    faults = [fault for fault in plan.faults if fault.at_s <= outcome.at_s]
    last_s = max((fault.at_s for fault in faults), default=0.0) + _AFTER_S
    return plan._replace(faults=faults, until_s=min(plan.until_s, last_s if outcome.kind == "stuck" else outcome.at_s))
