"""What a cluster's replies lead to, over nodes that are scripted: no reply is lost, none is asked for twice."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
import redis
from redis.exceptions import (
    AskError,
    AuthenticationError,
    ClusterDownError,
    ClusterError,
    MovedError,
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
    TryAgainError,
)

from processor.cluster import Cluster, Question
from processor.links import Command, Replies
from processor.slots import Node

A, B, NEW = Node("a", 1), Node("b", 1), Node("new", 9)
VIEW = [[0, 8191, [b"a", 1]], [8192, 16383, [b"b", 1]]]


class FakeLinks:
    """Nodes that reply to scripts with the given replies in turn, and otherwise with the requested keys."""

    def __init__(self, **troubles: list[Any]) -> None:
        self.troubles = troubles  # by host
        self.asked: list[tuple[str, Command]] = []
        self.views: dict[str, Any] = {"a": VIEW, "b": VIEW}
        self.open: list[Node] = []

    def exchange(
        self, asked: Mapping[Node, Sequence[Command]], within_s: float | None = None
    ) -> dict[Node, Replies | Exception]:
        return {node: self._replies(node.host, commands) for node, commands in asked.items()}

    def _replies(self, host: str, commands: Sequence[Command]) -> Replies | Exception:
        replies = []
        for command in commands:
            self.asked.append((host, command))
            if command == ("CLUSTER", "SLOTS"):
                replies.append(self.views.get(host, redis.ConnectionError(host)))
            elif command == ("ASKING",):
                replies.append("OK")
            else:
                trouble = self.troubles.get(host, [])
                replies.append(trouble.pop(0) if trouble else list(command[3:]))
            if isinstance(replies[-1], redis.ConnectionError):
                return replies[-1]
        return replies

    def scripts(self) -> list[tuple[str, Any]]:
        return [
            (host, command[0] if command[0] == "ASKING" else command[2:])
            for host, command in self.asked
            if command[0] != "CLUSTER"
        ]


def made(url: str = "redis://a:1,b:1", **troubles: list[Any]) -> tuple[Cluster, FakeLinks]:
    cluster, links = Cluster(url, 1.0), FakeLinks(**troubles)
    cluster._links = links  # type: ignore[assignment]
    return cluster, links


def asked(slots: Mapping[int, Sequence[int]]) -> Question:
    return Question(("sha", "text"), slots, lambda indexes: (len(indexes), *indexes))


def test_each_node_gets_all_its_parts_at_once() -> None:
    """Parts go to the holders of their slots; answers stand by index."""
    cluster, links = made()
    assert asked({5: [0, 3], 6: [1], 9000: [2]}).ask(cluster) == {0: 0, 3: 3, 1: 1, 2: 2}
    assert links.scripts() == [("a", (2, 0, 3)), ("a", (1, 1)), ("b", (1, 2))]


def test_moved() -> None:
    """A slot that has moved is asked for where it is, at once and from then on."""
    cluster, links = made(a=[MovedError("5 new:9")])
    assert asked({5: [0]}).ask(cluster) == {0: 0}
    assert links.scripts() == [("a", (1, 0)), ("new", (1, 0))]
    links.views = {"a": [[0, 16383, [b"new", 9]]]}
    assert asked({6: [0]}).ask(cluster) == {0: 0}  # others have moved, too: the view is a new one
    assert links.scripts()[2:] == [("new", (1, 0))]


def test_ask_to_a_node_that_nobody_knows() -> None:
    """The importing node is asked once, and the slot's holder again the next time."""
    cluster, links = made(a=[AskError("5 new:9")])
    assert asked({5: [0], 6: [1]}).ask(cluster) == {0: 0, 1: 1}
    assert links.scripts() == [("a", (1, 0)), ("a", (1, 1)), ("new", "ASKING"), ("new", (1, 0))]
    asked({5: [0]}).ask(cluster)
    assert links.scripts()[-1] == ("a", (1, 0))


def test_try_again_asks_key_by_key() -> None:
    """Of a slot that is half-way each key is asked for alone; other parts are not asked again."""
    cluster, links = made(a=[TryAgainError("x"), [7], AskError("5 new:9")])
    assert asked({5: [0, 1], 6: [2]}).ask(cluster) == {0: 0, 1: 1, 2: 7}
    assert links.scripts()[2:] == [("a", (1, 0)), ("a", (1, 1)), ("new", "ASKING"), ("new", (1, 0))]


def test_try_again_of_one_key_is_a_fault() -> None:
    """There is nothing left to split: it is tried again, later."""
    cluster, _ = made(a=[TryAgainError("x")])
    with pytest.raises(TryAgainError):
        asked({5: [0]}).ask(cluster)


def test_no_script_sends_it() -> None:
    """Also to the node that imports a slot, after the word that lets it answer."""
    cluster, links = made(a=[AskError("5 new:9")], new=[NoScriptError("x")])
    assert asked({5: [0]}).ask(cluster) == {0: 0}
    sent = [command[:2] for _, command in links.asked if command[0] != "CLUSTER"]
    assert sent == [("EVALSHA", "sha"), ("ASKING",), ("EVALSHA", "sha"), ("ASKING",), ("EVAL", "text")]


@pytest.mark.parametrize("fault", [ClusterDownError("x"), ReadOnlyError("x"), redis.ConnectionError("x")])
def test_what_was_answered_is_not_asked_again(fault: Exception) -> None:
    """One node's fault is reported, and the retry goes to that node's successor only."""
    cluster, links = made(a=[fault])
    question = asked({5: [0], 9000: [1]})
    with pytest.raises(type(fault)):
        question.ask(cluster)
    links.views = {"b": [[0, 16383, [b"b", 1]]]}
    assert question.ask(cluster) == {0: 0, 1: 1}
    assert links.scripts() == [("a", (1, 0)), ("b", (1, 1)), ("b", (1, 0))]


@pytest.mark.parametrize("said", [OutOfMemoryError("full"), AuthenticationError("who?")])
def test_what_a_server_says_weighs_more_than_a_silence(said: Exception) -> None:
    """A full shard, or a wrong password, is named even where another node is dead."""
    cluster, _ = made(a=[redis.ConnectionError("x")], b=[said])
    with pytest.raises(type(said)):
        asked({5: [0], 9000: [1]}).ask(cluster)


def test_nodes_that_send_us_in_circles() -> None:
    """Redirections end."""
    cluster, _ = made(a=[MovedError("5 b:1")] * 50, b=[MovedError("5 a:1")] * 50)
    with pytest.raises(ClusterError):
        asked({5: [0]}).ask(cluster)


def test_a_slot_that_nobody_holds() -> None:
    """It is named, and looked for again at every node: one that was cut off may know less than others."""
    cluster, links = made()
    links.views = {"a": VIEW[:1], "b": VIEW[:1]}
    question = asked({9000: [0]})
    with pytest.raises(ClusterError, match="slot 9000"):
        question.ask(cluster)
    links.views["b"] = VIEW
    assert question.ask(cluster) == {0: 0}


def test_a_plain_server_says_what_it_is() -> None:
    """Its own words are passed on."""
    cluster, links = made("redis://a:1")
    links.views = {"a": redis.ResponseError("This instance has cluster support disabled")}
    with pytest.raises(redis.ResponseError, match="cluster support disabled"):
        asked({5: [0]}).ask(cluster)


@pytest.mark.parametrize(
    ("url", "seeds"),
    [
        ("redis://h", [("h", 6379)]),
        ("redis://u:p@h:1,[::1]:2,i?ssl_ca_certs=x", [("h", 1), ("::1", 2), ("i", 6379)]),
        ("rediss://:p%40@h:1", [("h", 1)]),
    ],
)
def test_hosts_of_a_url(url: str, seeds: list[tuple[str, int]]) -> None:
    """Several hosts, each with its port or the usual one."""
    assert Cluster(url, 1.0)._seeds == seeds
