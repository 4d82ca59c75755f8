"""A worker's liveness and readiness, read from its metrics. Knows nothing of HTTP.

Alive means that the loop goes round, whether Kafka and Redis answer or not: a restart would mend neither.
"""

from typing import Final, NamedTuple

from processor import metrics

DEAD_AFTER_S: Final = 120.0  # longer than any one step may take with everything timing out


class Health(NamedTuple):
    """Whether all is well, and if not, why, for an operator."""

    good: bool
    reason: str


def alive(now_s: float) -> Health:
    """Return whether the loop has completed an iteration recently.

    Args:
        now_s: seconds since the epoch.
    """
    silent_s = now_s - metrics.value(metrics.LAST_LOOP)
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
    if metrics.value(metrics.PAUSED):
        return "Redis is unavailable: partitions are paused"
    if not metrics.value(metrics.STORE_UP):
        return "the claims store does not answer"
    if not metrics.value(metrics.SESSIONS):
        return "Kafka has not answered yet"
    if not metrics.value(metrics.PARTITIONS) and not metrics.value(metrics.SETTLED):
        return "no partitions are assigned, and the group is still rebalancing"
    return ""
