"""A worker's health, read from its metrics: whether it is alive, and whether it is ready. Knows nothing of HTTP.

Alive means that the loop goes round, whether Kafka and Redis answer or not: a restart would mend neither.
"""

from typing import Final, NamedTuple

from processor import metrics

DEAD_AFTER_S: Final = 120.0  # longer than any one step may take with everything timing out


class Health(NamedTuple):
    """Whether all is well, and if not, why, in words for an operator."""

    good: bool
    reason: str


def alive(now_s: float) -> Health:
    """Return whether the loop has gone round lately.

    Args:
        now_s: seconds since the epoch.
    """
    silent_s = now_s - metrics.value(metrics.LAST_LOOP)
    if silent_s < DEAD_AFTER_S:
        return Health(good=True, reason="")
    return Health(good=False, reason=f"the loop has not gone round for {silent_s:.0f} s")


def ready() -> Health:
    """Return whether Kafka has answered and Redis does."""
    if metrics.value(metrics.PAUSED):
        return Health(good=False, reason="Redis cannot answer: paused")
    if not metrics.value(metrics.SESSIONS):
        return Health(good=False, reason="Kafka has not answered yet")
    return Health(good=True, reason="")
