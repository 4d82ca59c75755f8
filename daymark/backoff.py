"""When a process that has died is restarted: exponential back-off. Pure: the caller has the clock."""

from typing import Final

FIRST_S: Final = 0.5
LONGEST_S: Final = 30.0
STEADY_S: Final = 60.0  # a process that ran for longer than this has earned a quick restart


class Backoff:
    """The pauses of one process: doubling while it dies young, from the start again once it has run for a while."""

    def __init__(self) -> None:
        self._next_s = FIRST_S

    def pause(self, ran_s: float) -> float:
        """Return for how many seconds to wait now.

        Args:
            ran_s: for how many seconds the process ran before it died.
        """
        pause_s = FIRST_S if ran_s > STEADY_S else self._next_s
        self._next_s = min(2 * pause_s, LONGEST_S)
        return pause_s
