"""A broker that has lost sight of the others, and not of clients: it answers from what it knew.

The controller gives what it led to others meanwhile. What is only read it reads from its memory, the group's offsets,
too: Kafka's coordinators ask nobody whether they still are coordinators. What has to be replicated comes to nothing.
"""

from collections.abc import Mapping
from typing import Any, Final

from tests.world.offsets import Offsets
from tests.world.requests import Fetch, Heartbeat, ListOffsets, ModernHeartbeat, OffsetFetch, Produce, Refused, Share

_AWAY: Final = "COORDINATOR_NOT_AVAILABLE"  # what an append that no replica confirms becomes


class Memory:
    """What a broker knew when it lost sight: who had which role, and the group's offsets."""

    def __init__(self, where: Mapping[Any, Any], offsets: Offsets) -> None:
        self.where = dict(where)
        self._offsets = Offsets()
        self._offsets.committed = dict(offsets.committed)
        self._offsets.pending = {pid: dict(moved) for pid, moved in offsets.pending.items()}

    def answer(self, request: Any) -> Any:
        """Answer a request of a role that the broker had.

        Raises:
            Refused: it would have to be replicated. Two things are simplified: a log is not read here, and a member
                does not get offsets from a coordinator that it did not join at (by KIP-848 it does not in truth).
        """
        match request:
            case OffsetFetch() if not request.member:
                return self._offsets.fetch(request)
            case Heartbeat():
                return None
            case ModernHeartbeat() if request.membership.epoch > 0:
                return Share(request.membership.epoch, request.owned, 0.0)
            case Fetch() | ListOffsets():
                raise Refused("NOT_LEADER_FOR_PARTITION")
            case Produce():
                raise Refused("NOT_ENOUGH_REPLICAS")
        raise Refused(_AWAY)
