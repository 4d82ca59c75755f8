"""A person gets an answer from a cluster, or a clear error, soon."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException

from daymark import metadata

HAS: Any = object()


class Starting:
    """A client whose cluster answers the third time it is asked."""

    def __init__(self) -> None:
        self.asked = 0

    def list_topics(self, topic: str | None = None, timeout: float = -1) -> Any:
        assert (topic, timeout > 0) == (None, True)
        self.asked += 1
        if self.asked < 3:
            raise KafkaException(KafkaError(KafkaError._TRANSPORT))
        return HAS

    def poll(self, timeout: float = -1) -> Any:
        raise AssertionError(f"nobody listens, in {timeout}")


class Hopeless:
    """A client that can never be used again; it says why only when it is polled."""

    def __init__(self, told: Callable[[KafkaError], None] = lambda _: None) -> None:
        self._told = told

    def poll(self, timeout: float = -1) -> Any:
        assert timeout == 0
        self._told(KafkaError(KafkaError._AUTHENTICATION, "no such user"))
        self._told(KafkaError(KafkaError._ALL_BROKERS_DOWN, "and nobody else"))

    def list_topics(self, topic: str | None = None, timeout: float = -1) -> Any:
        raise KafkaException(KafkaError(KafkaError._TRANSPORT, f"no {topic} in {timeout}", fatal=True))


def test_a_cluster_that_is_starting_is_waited_for() -> None:
    assert metadata.ask(Starting(), "localhost:9092", 60) is HAS


def test_what_will_never_be_is_not_waited_for() -> None:
    """And the message says where was asked."""
    with pytest.raises(metadata.Unreachable, match="localhost:9092"):
        metadata.ask(Hopeless(), "localhost:9092", 600)


def test_what_a_broker_has_against_us_is_said() -> None:
    """A call only says that it failed; the reason goes to the client's error_cb, among unhelpful messages."""
    heard = metadata.Heard()
    with pytest.raises(metadata.Unreachable, match=r"\(no such user\)"):
        metadata.ask(Hopeless(heard), "localhost:9092", 600, heard)


def _looks(*seen: set[str]) -> Callable[[], Any]:
    """Return what shows these topics, one look after the other, and the last for ever."""
    rest = list(seen)
    return lambda: SimpleNamespace(topics=dict.fromkeys(rest.pop(0) if len(rest) > 1 else rest[0]))


def test_a_topic_just_made_is_looked_for_again() -> None:
    found = metadata.showing(iter(("a", "b")), _looks(set(), {"b"}, {"a", "b", "c"}), within_s=60)
    assert set(found.topics) == {"a", "b", "c"}


def test_a_topic_that_is_not_there_is_not_waited_for_long() -> None:
    found = metadata.showing(("a", "b"), _looks({"b"}), within_s=0.2)
    assert set(found.topics) == {"b"}
