"""Script calls to a Redis Cluster: one write per node, to all nodes at once, following redirections.

Owns: which node is asked for a slot, and what a cluster's own replies mean: MOVED, ASK, TRYAGAIN, NOSCRIPT. Does not:
wait and retry (`store.attempt`), or interpret keys. Why not the driver's own client: DECISIONS.md, 30.

Invariant: a retry of a call does not repeat the parts that were answered, whatever became of the rest.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from threading import Lock
from typing import Any, Final, NamedTuple
from urllib.parse import SplitResult, urlsplit, urlunsplit

import redis
from redis.exceptions import AskError, ClusterError, MovedError, NoScriptError, TryAgainError

from processor.links import Command, Links, Replies
from processor.slots import SLOTS, Node, address, holders, members
from processor.store_errors import ERRORS

# No try of a question begins later: with the time-outs of the last one, an unavailable store is noticed within 6 s.
_BUDGET_S: Final = 3.8
_LOOK_S: Final = 1.0  # what nodes are given to say who holds the slots
# Redirections followed in one try. A slot that is half-way takes four: TRYAGAIN, ASK, NOSCRIPT, the answer.
_ROUNDS: Final = 8
_PORT: Final = 6379

Words = Callable[[Sequence[int]], tuple[Any, ...]]
"""Given indexes of keys: what follows the script in a call, which is the number of keys, the keys and the arguments."""


_View = tuple[list[Node | None], list[Node]]  # who holds each slot, and all nodes, as one node says


class _Part(NamedTuple):
    """Keys of one slot, for which one call asks."""

    slot: int
    indexes: Sequence[int]
    importer: Node | None = None  # named by an ASK; None: ask the slot's owner
    in_full: bool = False  # the script is sent, not its digest

    def commands(self, sha: str, text: str, words: Words) -> list[Command]:
        call = ("EVAL", text) if self.in_full else ("EVALSHA", sha)
        asking: list[Command] = [("ASKING",)] if self.importer else []
        return [*asking, (*call, *words(self.indexes))]


class Cluster:
    """The nodes, and who holds which slot as far as they have said. Its methods may be called by any thread."""

    def __init__(self, url: str, timeout_s: float) -> None:
        """Take the address; nothing is connected yet.

        Args:
            url: redis://[user:password@]host[:port][,host[:port]…][?options], rediss:// likewise. One node that answers
                is enough; the others are discovered from it.
            timeout_s: of a connect, and of all replies of a round.
        """
        found = urlsplit(url)
        login, at, hosts = found.netloc.rpartition("@")
        self._seeds = [_seed(found, host) for host in hosts.split(",")]
        self._links = Links(urlunsplit(found._replace(netloc=f"{login}{at}localhost")), timeout_s)
        self._members: list[Node] = []
        self._holders: list[Node | None] = [None] * SLOTS
        self._stale, self._looks = True, 0
        self._lock = Lock()

    def ask(self, question: "Question") -> None:
        """Ask what a question has still to ask.

        Raises:
            RedisError, OSError: not everything was answered. What was is kept.
        """
        with self._lock:
            self._look()
            for _ in range(_ROUNDS):
                if not question.pending:
                    return
                self._round(question)
        raise ClusterError("the cluster's nodes keep redirecting to one another")

    def config_get(self, name: str) -> dict[str, str]:
        """Return a setting of the primaries: where they differ, each of its values.

        Raises:
            RedisError, OSError: one of them does not answer.
        """
        return {name: " ".join(sorted({value.decode() for _, value in self._of_primaries("CONFIG", "GET", name)}))}

    def check(self) -> None:
        """See that every primary answers.

        Raises:
            RedisError, OSError: one of them does not.
        """
        self._of_primaries("CLUSTER", "SLOTS")

    def dbsize(self) -> int:
        """Return how many keys the primaries have.

        Raises:
            RedisError, OSError: one of them does not answer.
        """
        return sum(self._of_primaries("DBSIZE"))

    def close(self) -> None:
        """Close the connections."""
        self._links.close()

    def _of_primaries(self, *command: str) -> list[Any]:
        with self._lock:
            self._look()
            primaries = {node for node in self._holders if node is not None}
            replied = self._links.exchange({node: [command] for node in primaries})
        return [_first(replies) for replies in replied.values()]

    def _round(self, question: "Question") -> None:
        asked: dict[Node, list[_Part]] = defaultdict(list)
        for part in question.pending:
            asked[part.importer or self._holder(part.slot)].append(part)
        replied = self._links.exchange(
            {node: [word for part in parts for word in question.commands(part)] for node, parts in asked.items()}
        )
        question.pending, faults = [], []
        for node, parts in asked.items():
            replies = replied[node]
            for part, reply in zip(parts, _of_parts(parts, replies), strict=True):
                if isinstance(reply, MovedError):
                    self._holders[part.slot] = address(reply.host, reply.port, node)
                    self._stale = True  # of one slot we know, others have moved, too
                fault = question.take(part, reply, node)
                if fault is not None:
                    faults.append(fault)
        if faults:
            self._stale = True
            raise _weightiest(faults)

    def _holder(self, slot: int) -> Node:
        holder = self._holders[slot]
        if holder is None:
            self._stale = True
            raise ClusterError(f"no node of the cluster holds slot {slot}")
        return holder

    def _look(self) -> None:
        """Ask who holds the slots, if that may have changed: one node, and all others if it does not know of all."""
        if not self._stale:
            return
        self._looks += 1
        connected = list(self._links.open)
        first = connected[self._looks % len(connected) :][:1] if connected else []
        views, faults = self._views(first)
        if not any(None not in view for view, _ in views):
            rest = dict.fromkeys(node for node in [*connected, *self._members, *self._seeds] if node not in first)
            more, others = self._views(rest)
            views, faults = views + more, faults + others
        if not views:
            raise _weightiest(faults)
        self._holders, self._members = min(views, key=lambda view: view[0].count(None))
        self._stale = False

    def _views(self, nodes: Iterable[Node]) -> tuple[list[_View], list[Exception]]:
        replied = self._links.exchange({node: [("CLUSTER", "SLOTS")] for node in nodes}, _LOOK_S)
        views: list[_View] = []
        faults: list[Exception] = []
        for node, replies in replied.items():
            try:
                shards = _first(replies)
            except ERRORS as fault:
                faults.append(fault)
            else:
                views.append((holders(shards, node), members(shards, node)))
        return views, faults


class Question:
    """A script, to be run on keys of many slots, and what was answered so far."""

    def __init__(self, script: tuple[str, str], slots: Mapping[int, Sequence[int]], words: Words) -> None:
        """Take what is asked.

        Args:
            script: its digest and its text.
            slots: indexes of keys, by slot.
            words: makes the arguments of a call.
        """
        self._script, self._words = script, words
        self.pending = [_Part(slot, indexes) for slot, indexes in slots.items()]
        self.answers: dict[int, Any] = {}  # by index
        self._until = time.monotonic() + _BUDGET_S
        self._fault: Exception | None = None

    def ask(self, cluster: Cluster) -> dict[int, Any]:
        """Return the answers, by index; called again after a fault, ask for what lacks.

        Raises:
            RedisError, OSError: not everything was answered.
        """
        if self._fault is not None and time.monotonic() > self._until:
            raise self._fault
        try:
            cluster.ask(self)
        except ERRORS as fault:
            self._fault = fault
            raise
        return self.answers

    def commands(self, part: _Part) -> list[Command]:
        """Return what asks for a part."""
        return part.commands(*self._script, self._words)

    def take(self, part: _Part, reply: Any, node: Node) -> Exception | None:
        """Process a part's reply: keep the answers, or note what to ask instead; return a fault.

        A slot that is being migrated answers TRYAGAIN to several keys of which it has only some: asked one by one, its
        owner answers or redirects to the node that imports the slot.
        """
        if not isinstance(reply, Exception):
            self.answers.update(zip(part.indexes, reply, strict=True))
            return None
        again = part._replace(importer=None)
        match reply:
            case MovedError():
                self.pending.append(again)
            case AskError():
                self.pending.append(part._replace(importer=address(reply.host, reply.port, node)))
            case NoScriptError():  # a new server, or one that lost its scripts
                self.pending.append(part._replace(in_full=True))
            case TryAgainError() if len(part.indexes) > 1:
                self.pending += [again._replace(indexes=[index]) for index in part.indexes]
            case _:
                self.pending.append(again)
                return reply
        return None


def _of_parts(parts: Sequence[_Part], replies: Replies | Exception) -> list[Any]:
    """Return one reply a part: a refused ASKING stands for the call that it was to precede."""
    if isinstance(replies, Exception):
        return [replies] * len(parts)
    rest = iter(replies)
    found = []
    for part in parts:
        asking = next(rest) if part.importer else None
        reply = next(rest)
        found.append(asking if isinstance(asking, Exception) else reply)
    return found


def _first(replies: Replies | Exception) -> Any:
    fault = replies if isinstance(replies, Exception) else replies[0]
    if isinstance(fault, Exception):
        raise fault
    return fault


def _weightiest(faults: Sequence[Exception]) -> Exception:
    """Return the fault to report: what a server says, a wrong password too, weighs more than a server's silence."""
    silences = (redis.ConnectionError, redis.TimeoutError)
    return next(
        (fault for fault in faults if type(fault) not in silences and not isinstance(fault, OSError)), faults[0]
    )


def _seed(url: SplitResult, host: str) -> Node:
    found = urlsplit(f"{url.scheme}://{host}")
    return Node(found.hostname or "localhost", found.port or _PORT)
