"""The consumer group protocol of KIP-848 on the broker's side, and KIP-1251's check of transactional offsets."""

from collections.abc import Mapping
from typing import Final

from tests.world.kernel import Kernel
from tests.world.requests import Membership, ModernHeartbeat, Refused, Share

LEAVES: Final = -1


class _Member:
    def __init__(self, instance: str | None, now: float) -> None:
        self.instance, self.heard_s, self.epoch, self.before = instance, now, 0, 0
        self.assigned: dict[int, int] = {}  # partition -> the epoch in which it was assigned
        self.revoking: set[int] = set()
        self.revoke_by_s = 0.0


class Modern:
    """A group that the broker divides: a partition is given on once its holder says that it has let it go."""

    def __init__(self, kernel: Kernel, partitions: int, session_s: float) -> None:
        self._kernel, self._partitions, self._session_s = kernel, partitions, session_s
        self.epoch = 0
        self.moves_since_s = 0.0  # when partitions were divided last
        self.members: dict[str, _Member] = {}
        self._target: dict[int, str] = {}

    def heartbeat(self, request: ModernHeartbeat) -> Share:
        """Take a ConsumerGroupHeartbeat: join, confirm, leave."""
        name, epoch, instance = request.membership
        if epoch == LEAVES:
            self._remove(name)
            return Share(-1, frozenset(), 0)
        if epoch == 0:
            self._join(name, instance)
        member = self._known(name)
        if epoch not in {0, member.epoch, member.before}:
            raise Refused("FENCED_MEMBER_EPOCH")
        member.heard_s = self._kernel.now
        if epoch == 0 and member.epoch == 0:
            member.assigned = {}
        member.revoking &= request.owned
        self._reconcile(name, member, request.rebalance_s)
        return Share(member.epoch, frozenset(member.assigned), 0.0)

    def check(self, membership: Membership, offsets: Mapping[int, int]) -> None:
        """Refuse offsets under an epoch of before, but for partitions that were this member's by then (KIP-1251).

        Under its current epoch a member may commit any: those of a backfill's lane, which nobody assigns.
        """
        member = self._known(membership.member)
        if membership.epoch == member.epoch:
            return
        held = {**member.assigned, **dict.fromkeys(member.revoking, 0)}
        for partition in offsets:
            if not held.get(partition, member.epoch + 1) <= membership.epoch <= member.epoch:
                raise Refused("ILLEGAL_GENERATION")  # what STALE_MEMBER_EPOCH becomes for TxnOffsetCommit

    def sweep(self) -> None:
        """Remove who was not heard of for too long, or does not let a partition go."""
        now = self._kernel.now
        for name, member in [*self.members.items()]:
            if now - member.heard_s > self._session_s or (member.revoking and now > member.revoke_by_s):
                self._remove(name)

    def moved(self) -> None:
        """Go on at another node: sessions begin anew there."""
        for member in self.members.values():
            member.heard_s = self._kernel.now

    def grow(self, partitions: int) -> None:
        """Divide more partitions."""
        self._partitions = partitions
        if self.members:
            self._divide()

    def _join(self, name: str, instance: str | None) -> None:
        if name in self.members:
            return
        self.members[name] = _Member(instance, self._kernel.now)
        self._divide()

    def _divide(self) -> None:
        self.epoch, self.moves_since_s = self.epoch + 1, self._kernel.now
        names = sorted(self.members)
        self._target = {partition: names[partition % len(names)] for partition in range(self._partitions) if names}

    def _reconcile(self, name: str, member: _Member, rebalance_s: float) -> None:
        if member.revoking:
            return
        wanted = {partition for partition, who in self._target.items() if who == name}
        if gone := member.assigned.keys() - wanted:
            member.revoking = set(gone)
            member.assigned = {each: epoch for each, epoch in member.assigned.items() if each not in gone}
            member.revoke_by_s = self._kernel.now + rebalance_s
            return
        if member.epoch != self.epoch:
            member.before, member.epoch = member.epoch, self.epoch
        held = {each for other in self.members.values() for each in {*other.assigned, *other.revoking}}
        member.assigned |= dict.fromkeys(sorted(wanted - held), member.epoch)

    def _remove(self, name: str) -> None:
        if self.members.pop(name, None) is not None:
            self._divide()

    def _known(self, name: str) -> _Member:
        found = self.members.get(name)
        if found is None:
            raise Refused("UNKNOWN_MEMBER_ID")
        return found
