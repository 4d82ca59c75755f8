"""A worker's liveness and readiness, from the state that its loop and its clients keep. Knows nothing of HTTP.

Alive means that the loop is iterating, whether Kafka and Redis answer or not: a restart would repair neither. That is
judged by the monotonic clock: a wall clock that is set back would hide a stalled loop until it is there again.
"""

import math
import time
from dataclasses import dataclass
from typing import Final, NamedTuple

DEAD_AFTER_S: Final = 120.0  # longer than any one step may take with everything timing out


@dataclass(slots=True)
class State:
    """A worker's state. Written where it becomes known; probes and gauges only read it.

    Attributes:
        last_loop_s: when the loop last completed an iteration, in seconds since the epoch; 0: never.
        looped_at: the same in monotonic seconds.
        partitions: assigned to this worker.
        is_settled: whether it is a settled member of the group, possibly without partitions.
        is_paused: whether its partitions are paused, because Redis is unavailable.
        store_answers: whether the claims store does.
        has_met_kafka: whether a session has been opened.
    """

    last_loop_s: float = 0
    looped_at: float = -math.inf
    partitions: int = 0
    is_settled: bool = False
    is_paused: bool = False
    store_answers: bool = False
    has_met_kafka: bool = False

    def looped(self) -> None:
        """Note that the loop completed an iteration."""
        self.last_loop_s, self.looped_at = time.time(), time.monotonic()

    def left_group(self) -> None:
        """Note that the session is over."""
        self.partitions, self.is_settled = 0, False


STATE: Final = State()  # of this process's worker


class Health(NamedTuple):
    """Whether all is well, and if not, why, for an operator."""

    good: bool
    reason: str


def alive(now: float) -> Health:
    """Return whether the loop has completed an iteration recently.

    Args:
        now: monotonic seconds.
    """
    silent_s = now - STATE.looped_at
    if silent_s < DEAD_AFTER_S:
        return Health(good=True, reason="")
    return Health(good=False, reason=f"worker loop stalled for {silent_s:.0f} s")


def ready() -> Health:
    """Return whether the worker is a settled member of the group and the claims store answers.

    A member without partitions, since there are more workers than partitions, is ready: it takes over when another
    goes, and a rolling restart must not wait for it. One that Kafka took for dead is not.
    """
    obstacle = _obstacle()
    return Health(good=obstacle == "", reason=obstacle)


def _obstacle() -> str:
    if STATE.is_paused:
        return "Redis is unavailable: partitions are paused"
    if not STATE.store_answers:
        return "the claims store does not answer"
    if not STATE.has_met_kafka:
        return "Kafka has not answered yet"
    if not (STATE.partitions or STATE.is_settled):
        return "no partitions are assigned, and the group is still rebalancing"
    return ""
