"""A consumer's part in its group, as the driver's own thread plays it: join, divide, heartbeat, rejoin.

The application is told of partitions only while it polls; until it has let go of some, the driver waits. What the
driver knows of its membership may be blanked at any moment, whether the application polls or not.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from itertools import count as counted
from random import Random
from typing import Any, Final

from tests.world.client import Client, Closed
from tests.world.kernel import Event
from tests.world.modern import LEAVES
from tests.world.requests import Heartbeat, Join, Joined, Leave, Membership, ModernHeartbeat, Refused, Sync

_ASK_AGAIN_S: Final = 0.2
_METADATA_S: Final = (0.0, 10.0)  # until a driver notices more partitions; a real one asks every five minutes
_LOST: Final = {"UNKNOWN_MEMBER_ID", "ILLEGAL_GENERATION", "FENCED_MEMBER_EPOCH"}
MOST_UNPOLLED_S: Final = 300.0


class Change:
    """What the application is to be told: partitions that come or go."""

    def __init__(self, kind: str, partitions: frozenset[int]) -> None:
        self.kind, self.partitions, self.done = kind, partitions, Event()


class Member:
    """A thread of one consumer."""

    def __init__(
        self, client: Client, config: Mapping[str, Any], count: Callable[[], int], tell: Callable[[Change], None]
    ) -> None:
        """Take the driver, its settings, what tells the number of partitions, and who is told of changes."""
        self.membership = Membership()
        self.owned: frozenset[int] = frozenset()
        self.fatal: str | None = None
        self.polled_s = client.kernel.now
        self.state = "init"
        self._client, self._kernel, self._tell = client, client.kernel, tell
        self._count, self._partitions = count, count()  # there are, and as far as it knows
        self._metadata_s = 0.0  # when it asks for them again
        self._instance: str | None = config.get("group.instance.id")
        self._session_s = config.get("session.timeout.ms", 45_000) / 1000
        self._heartbeat_s = config.get("heartbeat.interval.ms", 3_000) / 1000
        self._assignor: str = config.get("partition.assignment.strategy", "range")
        self.is_modern = config.get("group.protocol") == "consumer"
        self.is_cooperative = self.is_modern or self._assignor == "cooperative-sticky"
        self._names = counted(client.number())

    def start(self) -> None:
        """Join the group, and stay in it."""
        self._client.spawn(self._serve)

    def leave(self) -> None:
        """Leave, unless a successor is to have the same partitions."""
        membership, self.membership = self.membership, Membership()
        if membership.member and not (self._instance and not self.is_modern):
            self._ask_once(
                ModernHeartbeat(membership._replace(epoch=LEAVES), frozenset(), 0)
                if self.is_modern
                else Leave(membership)
            )

    def _ask_once(self, request: Any) -> None:
        until = self._kernel.now + _ASK_AGAIN_S
        with suppress(Refused, Closed):
            self._client.ask(request, until=lambda: self._kernel.now > until, timeout_s=1.0)

    def _serve(self) -> None:
        serve = self._serve_modern if self.is_modern else self._serve_classic
        while self.fatal is None:
            try:
                serve()
            except Refused as refused:
                self._refused(refused.code)
            if self._kernel.now - self.polled_s > MOST_UNPOLLED_S:
                self.leave()
                self._lose()
                self.fatal = "_MAX_POLL_EXCEEDED"

    def _refused(self, code: str) -> None:
        if code == "FENCED_INSTANCE_ID":
            self.membership, self.fatal = Membership(), code
        elif code in _LOST:
            kept = self.membership.member if code == "ILLEGAL_GENERATION" else ""
            self.membership = Membership()
            self._lose()
            self.membership = Membership(kept)
        else:
            self._kernel.sleep(_ASK_AGAIN_S)

    def _lose(self) -> None:
        self._say("lost", self.owned)

    def _say(self, kind: str, partitions: frozenset[int]) -> None:
        """Tell the application, and wait until it has taken note."""
        if not partitions and (kind != "assign" or self.is_cooperative):
            return
        change = Change(kind, partitions)
        self._tell(change)
        while not self._kernel.wait(change.done, self._heartbeat_s):
            self._beat()
        self.owned = self.owned | partitions if kind == "assign" else self.owned - partitions

    def _beat(self) -> None:
        """Stay in the group while the application takes its time."""
        if not self.membership.member or self.membership.epoch < 0:
            return
        try:
            if self.is_modern:
                self._client.ask(self._modern_beat())
            else:
                self._client.ask(Heartbeat(self.membership))
        except Refused as refused:
            if refused.code in _LOST or refused.code == "FENCED_INSTANCE_ID":
                self.membership = Membership()

    # The classic protocol.

    def _serve_classic(self) -> None:
        member = self.membership.member
        if not member and not self._instance:
            self._lose()  # since MEMBER_ID_REQUIRED, which each dynamic member is answered first, says so
        owned = self.owned if self.is_cooperative else frozenset()
        request = Join(member, self._instance, self._session_s, MOST_UNPOLLED_S, self._assignor, owned)
        self.state = "wait-join"
        joined: Joined = self._client.ask(request, timeout_s=MOST_UNPOLLED_S)
        self.membership = joined.membership
        self.state = "wait-sync"
        shares = self._divided(joined.members) if joined.leader else {}
        share: frozenset[int] = self._client.ask(Sync(self.membership, shares), timeout_s=MOST_UNPOLLED_S)
        self.state = "steady"
        gone = self.owned - share
        self._say("revoke", gone)
        self._say("assign", share - self.owned)
        if gone and self.is_cooperative:
            return  # joins again, so that others get them
        self._heartbeats()
        if not self.is_cooperative:
            self._say("revoke", self.owned)

    def _heartbeats(self) -> None:
        """Send heartbeats until the group rebalances."""
        while self._kernel.now - self.polled_s <= MOST_UNPOLLED_S:
            self._kernel.sleep(self._heartbeat_s)
            if self._count() != self._partitions and self._has_noticed():
                return  # joins again: who leads divides anew
            try:
                self._client.ask(Heartbeat(self.membership))
            except Refused as refused:
                if refused.code == "REBALANCE_IN_PROGRESS":
                    return
                raise

    def _has_noticed(self) -> bool:
        """Return whether it has learnt of more partitions: the driver asks for them now and then."""
        if self._metadata_s == 0.0:
            self._metadata_s = self._kernel.now + Random(f"{self._kernel.now} {self._client.process.name}").uniform(
                *_METADATA_S
            )
        if self._kernel.now < self._metadata_s:
            return False
        self._partitions, self._metadata_s = self._count(), 0.0
        return True

    def _divided(self, members: Mapping[str, frozenset[int]]) -> dict[str, frozenset[int]]:
        """Divide the partitions; a cooperative leader withholds what another still has."""
        wanted = self._wanted(sorted(members))
        shares: dict[str, set[int]] = {name: set() for name in members}
        for partition, name in wanted.items():
            holder = next((each for each, owned in members.items() if partition in owned), name)
            if not self.is_cooperative or holder == name:
                shares[name].add(partition)
        return {name: frozenset(share) for name, share in shares.items()}

    def _wanted(self, names: Sequence[str]) -> dict[int, str]:
        """Return who is to have each partition: in ranges, or in turn, whoever holds it now."""
        if self._assignor != "range":
            return {partition: names[partition % len(names)] for partition in range(self._partitions)}
        return in_ranges(self._partitions, names)

    # KIP-848.

    def _modern_beat(self) -> ModernHeartbeat:
        return ModernHeartbeat(self.membership, self.owned, MOST_UNPOLLED_S)

    def _serve_modern(self) -> None:
        if not self.membership.member:
            self.membership = Membership(f"{self._client.process.name}-{next(self._names)}", 0, self._instance)
        share = self._client.ask(self._modern_beat())
        self.membership = self.membership._replace(epoch=share.epoch)
        self.state = "steady"
        gone = self.owned - share.partitions
        self._say("revoke", gone)
        self._say("assign", share.partitions - self.owned)
        if not gone:
            self._kernel.sleep(self._heartbeat_s)


def in_ranges(partitions: int, names: Sequence[str]) -> dict[int, str]:
    """Return who is to have each partition: members get ranges in their order, the first of them one more."""
    least, more = divmod(partitions, len(names))
    sizes = [least + (index < more) for index in range(len(names))]
    takers = [name for name, size in zip(names, sizes, strict=True) for _ in range(size)]
    return dict(enumerate(takers))
