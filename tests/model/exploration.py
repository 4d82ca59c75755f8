"""How the state machine is run: the same examples each time, none of them half of another."""

from collections.abc import Iterable
from typing import Final

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.model.machine import Workers

# From the eleventh example on hypothesis mostly alters what it has drawn: ten a run, and more runs, go further.
EXAMPLES: Final = 10
_STEPS: Final = 50  # rules of an example, each of up to some dozens of steps


def explore(machine: type[Workers], seeds: Iterable[int], *, shrinks: bool = True) -> None:
    """Run a machine once for each seed, ten examples each.

    Raises:
        AssertionError: a promise is broken, by the example that it names.
    """
    # Without the phase that explains: it traces lines, and loses its count where threads take turns.
    how = settings(
        max_examples=EXAMPLES,
        stateful_step_count=_STEPS,
        phases=[Phase.generate, Phase.shrink] if shrinks else [Phase.generate],
        database=None,
        deadline=None,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )
    for number in seeds:
        run_state_machine_as_test(seed(number)(machine), settings=how)
