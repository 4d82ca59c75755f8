"""The classic group protocol on the broker's side: JoinGroup, SyncGroup, heartbeats, static members (KIP-345)."""

from collections.abc import Mapping
from typing import Final

from tests.world.kernel import Kernel
from tests.world.network import Reply
from tests.world.requests import Heartbeat, Join, Joined, Leave, Membership, Refused, Sync

_FIRST_DELAY_S: Final = 0.2  # group.initial.rebalance.delay.ms, shortened


class _Member:
    def __init__(self, name: str, request: Join) -> None:
        self.name, self.instance, self.request = name, request.instance, request
        self.heard_s = 0.0
        self.joining: Reply | None = None
        self.syncing: Reply | None = None
        self.share: frozenset[int] = frozenset()


class Classic:
    """A group that its own members divide among themselves."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self.generation, self.state = 0, "Empty"
        self.members: dict[str, _Member] = {}
        self.moves_since_s = 0.0  # when the last rebalance began
        self._count = 0
        self._due_s = 0.0  # when a rebalance goes on without those who have not joined

    # Requests.

    def join(self, request: Join, reply: Reply) -> None:
        """Take a JoinGroup."""
        known = self._of_instance(request.instance)
        if request.member == "" and known is not None:
            if (joined := self._replaced(known, request)) is not None:
                reply(joined)
                return
            member = self._of_instance(request.instance)
            assert member is not None
        elif request.member == "":
            member = self._new(request)
        else:
            member = self._known(Membership(request.member, -1, request.instance))
        member.heard_s = self._kernel.now
        changed = member.request.owned != request.owned or member.request.assignor != request.assignor
        member.request = request
        is_leader = next(iter(self.members)) == member.name
        if self.state in {"Stable", "CompletingRebalance"} and not (is_leader or changed) and request.member:
            reply(self._joined(member))
            return
        member.joining = reply
        self._prepare()
        self._complete_if_all_joined()

    def sync(self, request: Sync, reply: Reply) -> None:
        """Take a SyncGroup: the leader's ends the rebalance."""
        member = self._known(request.membership)
        self._check_generation(request.membership)
        if self.state == "PreparingRebalance":
            raise Refused("REBALANCE_IN_PROGRESS")
        member.heard_s = self._kernel.now
        if self.state == "Stable":
            reply(member.share)
            return
        member.syncing = reply
        if next(iter(self.members)) == member.name:
            self.state = "Stable"
            for each in self.members.values():
                each.share = request.shares.get(each.name, frozenset())
                each.heard_s = self._kernel.now
                if each.syncing:
                    each.syncing(each.share)
                    each.syncing = None

    def heartbeat(self, request: Heartbeat) -> None:
        """Take a heartbeat."""
        member = self._known(request.membership)
        self._check_generation(request.membership)
        member.heard_s = self._kernel.now
        if self.state == "PreparingRebalance":
            raise Refused("REBALANCE_IN_PROGRESS")

    def leave(self, request: Leave) -> None:
        """Take a LeaveGroup."""
        self._remove(self._known(request.membership))

    def check(self, membership: Membership, _: Mapping[int, int]) -> None:
        """Refuse offsets of who is no member of this generation."""
        self._known(membership)
        self._check_generation(membership)

    # Time.

    def sweep(self) -> None:
        """Remove who was not heard of for too long, and end rebalances that wait for nobody."""
        now = self._kernel.now
        for member in [*self.members.values()]:
            waits = member.joining is not None and self.state == "PreparingRebalance"
            if not waits and now - member.heard_s > member.request.session_s:
                self._remove(member)
        if self.state == "PreparingRebalance" and now >= self._due_s:
            for member in [*self.members.values()]:
                if member.joining is None and member.instance is None:
                    del self.members[member.name]
            if any(member.joining for member in self.members.values()):
                self._complete()

    def moved(self) -> None:
        """Go on at another node: sessions begin anew there, and who was waiting asks again."""
        for member in self.members.values():
            member.heard_s = self._kernel.now

    # Within.

    def _replaced(self, old: _Member, request: Join) -> Joined | None:
        """Let a static member come back under a new id; return what it gets; None: a rebalance is to come."""
        new = self._named(request)
        new.share, new.heard_s = old.share, self._kernel.now
        if old.joining:
            old.joining(Refused("FENCED_INSTANCE_ID"))
        if old.syncing:
            old.syncing(Refused("FENCED_INSTANCE_ID"))
        # In the old one's place: who leads stays who leads.
        self.members = {
            (new if member is old else member).name: (new if member is old else member)
            for member in self.members.values()
        }
        if self.state == "Stable" and old.request.assignor == request.assignor:
            return Joined(Membership(new.name, self.generation, new.instance), leader=False, members={})
        return None

    def _new(self, request: Join) -> _Member:
        member = self._named(request)
        self.members[member.name] = member
        if self.state == "Empty":
            self.state, self.moves_since_s = "PreparingRebalance", self._kernel.now
            self._due_s = self._kernel.now + request.rebalance_s
        return member

    def _named(self, request: Join) -> _Member:
        self._count += 1
        return _Member(f"{request.instance or 'm'}-{self._count}", request)

    def _prepare(self) -> None:
        if self.state == "PreparingRebalance":
            return
        for member in self.members.values():
            if member.syncing:
                member.syncing(Refused("REBALANCE_IN_PROGRESS"))
                member.syncing = None
        self.state, self.moves_since_s = "PreparingRebalance", self._kernel.now
        self._due_s = self._kernel.now + max(member.request.rebalance_s for member in self.members.values())

    def _complete_if_all_joined(self) -> None:
        if self.state == "PreparingRebalance" and all(member.joining for member in self.members.values()):
            self._complete()

    def _complete(self) -> None:
        self.generation += 1
        self.state = "CompletingRebalance"
        for member in self.members.values():
            member.heard_s = self._kernel.now
            reply, member.joining = member.joining, None
            if reply:
                reply(self._joined(member))

    def _joined(self, member: _Member) -> Joined:
        leader = next(iter(self.members)) == member.name
        members = {each.name: each.request.owned for each in self.members.values()} if leader else {}
        return Joined(Membership(member.name, self.generation, member.instance), leader, members)

    def _remove(self, member: _Member) -> None:
        del self.members[member.name]
        if not self.members:
            self.state, self.generation = "Empty", self.generation + 1
            return
        self._prepare()
        self._complete_if_all_joined()

    def _of_instance(self, instance: str | None) -> _Member | None:
        return next((each for each in self.members.values() if instance and each.instance == instance), None)

    def _known(self, membership: Membership) -> _Member:
        found = self.members.get(membership.member)
        if found is None:
            held = self._of_instance(membership.instance)
            raise Refused("FENCED_INSTANCE_ID" if held is not None else "UNKNOWN_MEMBER_ID")
        return found

    def _check_generation(self, membership: Membership) -> None:
        if membership.epoch != self.generation:
            raise Refused("ILLEGAL_GENERATION")
