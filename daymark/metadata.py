"""A cluster's metadata, for interactive commands: an answer or a clear error within seconds."""

import time
from collections.abc import Callable, Iterable
from typing import Any, Final, Protocol

import click
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import ClusterMetadata  # type: ignore[attr-defined]  # public, but not marked so

from ingest.trouble import Trouble
from schemas.topics import Topics

ANSWER_S: Final = 8.0  # how long a cluster may take that need not be waited for
NEWS_S: Final = 2.0  # by then every broker knows of a new topic

_BACKFILL: Final = Topics().backfill
_ONCE_S = 1.0  # of one query, during which Ctrl-C has no effect
_AGAIN_S = 0.1


class Client(Protocol):
    """A producer, a consumer or an AdminClient."""

    def list_topics(self, topic: str | None = None, timeout: float = -1) -> Any:
        """Ask for the cluster's topics."""

    def poll(self, timeout: float = -1) -> Any:
        """Serve librdkafka's callbacks."""


class Heard:
    """What librdkafka reported about a client's brokers: a call itself only fails or times out.

    It is a client's `error_cb`, and is called when the client is polled.
    """

    def __init__(self) -> None:
        self._trouble = Trouble()

    def __call__(self, error: KafkaError) -> None:
        """Keep an error message if it is more helpful than the one before."""
        self._trouble.hear(error.name(), error.str())

    def why(self, client: Client, failure: str) -> str:
        """Return why a client's call failed: the most helpful message, else the call's own words."""
        client.poll(0)
        return self._trouble.why(failure)


class Unreachable(click.ClickException):
    """No broker answers."""


class NoTopic(click.ClickException):
    """Required topics are missing."""

    def __init__(self, names: Iterable[str]) -> None:
        missing = [*names]
        lane = any(name.endswith(_BACKFILL) for name in missing)
        how = "`daymark topics` with DAYMARK_BACKFILL_LANE=on" if lane else "`daymark topics`"
        super().__init__(f"there is no topic {', '.join(missing)}; {how} creates it.")


def ask(client: Client, brokers: str, wait_s: float = 0.0, heard: Heard | None = None) -> ClusterMetadata:
    """Return the cluster's metadata.

    Args:
        client: asks.
        brokers: where it asks, for the message.
        wait_s: for how many seconds a cluster that is still starting is waited for.
        heard: the `error_cb` of the client, if it has one.

    Raises:
        Unreachable: no broker answered in time.
    """
    until = time.monotonic() + max(wait_s, ANSWER_S)
    while True:
        try:
            found: ClusterMetadata = client.list_topics(timeout=_ONCE_S)
        except KafkaException as error:
            failure = error.args[0].str()
            why = failure if heard is None else heard.why(client, failure)
            if time.monotonic() > until or error.args[0].fatal():
                raise Unreachable(
                    f"no Kafka broker answers at {brokers} ({why}). "
                    "Is it running, and are DAYMARK_KAFKA and its options correct?"
                ) from None
        else:
            return found


def showing(names: Iterable[str], look: Callable[[], ClusterMetadata], within_s: float = NEWS_S) -> ClusterMetadata:
    """Return the cluster's metadata once it shows these topics, or as it was at the end of the wait.

    A topic is created before every broker knows it: a query right after that may find it missing.

    Args:
        names: of the topics.
        look: asks the cluster.
        within_s: after so many seconds without one of them it is not there.
    """
    wanted, until = set(names), time.monotonic() + within_s
    while True:
        found = look()
        if time.monotonic() > until or wanted <= found.topics.keys():
            return found
        time.sleep(_AGAIN_S)
