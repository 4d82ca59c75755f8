"""The Kafka and Valkey of a part of the benchmark: embedded ones of its own, or given addresses.

Given are DAYMARK_TEST_KAFKA and DAYMARK_TEST_REDIS, both or none. On given parts topics and groups bear a prefix of
their own and are removed afterwards; claims stay until they expire, and the CPU of broker and store is not reported.
"""

import os
import secrets
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import redis
from confluent_kafka import KafkaException, Producer
from confluent_kafka.admin import AdminClient

from daymark.local import processes
from daymark.local.kafka import Kafka
from daymark.local.preparation import prepare
from daymark.local.valkey import Valkey
from schemas.topics import Topic, Topics
from tests.flows import Road
from tests.made import make

WORKSPACE = "w"
_ANSWER_S, _REACHED_S = 60.0, 10.0


@dataclass
class Ground:
    """Where everything is. `pids` are those of broker and store, `logs` the broker's folder, where they run here."""

    kafka: str
    redis: str
    pids: Mapping[str, int]
    logs: Path | None = None
    prefix: str = field(default_factory=lambda: f"bench-{secrets.token_hex(3)}.")

    def road(self, name: str, partitions: int, more: Sequence[str] = ()) -> Road:
        """Make the topics of one Daymark, and more of them by their names, each with so many partitions."""
        topics = Topics(f"{self.prefix}{name}.")
        others = (Topic(topics.prefix + other, partitions, {}) for other in more)
        make(self.kafka, (*topics.all(), *others), partitions)
        return Road(self.kafka, self.redis, topics, secrets.token_bytes(16))

    def empty_store(self) -> None:
        """Forget all claims, where the store is ours."""
        if self.pids:
            with redis.Redis.from_url(self.redis) as client:
                client.execute_command("FLUSHALL", "SYNC")  # at once: what is held is looked at next

    def store_bytes(self) -> int:
        """Return what the store says that it holds."""
        with redis.Redis.from_url(self.redis) as client:
            return int(client.info("memory")["used_memory"])

    def clear(self) -> None:
        """Remove the topics and groups that were made."""
        admin = AdminClient({"bootstrap.servers": self.kafka})
        made = [name for name in admin.list_topics(timeout=_ANSWER_S).topics if self.prefix in name]
        groups = [group.group_id for group in admin.list_consumer_groups().result(_ANSWER_S).valid]
        mine = [group for group in groups if group.startswith(self.prefix)]
        for future in [
            *(admin.delete_topics(made).values() if made else ()),
            *(admin.delete_consumer_groups(mine).values() if mine else ()),
        ]:
            with suppress(KafkaException):  # a member that was killed is in its group until its session ends
                future.result(_ANSWER_S)


def says() -> str:
    """Return which parts are used, in words."""
    kafka, store = _given()
    return f"the given Kafka ({kafka}) and Redis" if kafka and store else "an embedded Kafka and Valkey, on these cores"


@contextmanager
def opened(**settings: str) -> Iterator[Ground]:
    """Give a ground; `settings` are the embedded broker's, with `_` for `.` in their names."""
    kafka, store = _given()
    with ExitStack() as stack:
        if kafka and store:
            AdminClient({"bootstrap.servers": kafka, "log_level": 0}).list_topics(timeout=_REACHED_S)
            ground = Ground(kafka, store, {})
            stack.callback(ground.clear)
        else:
            ground = _embedded(stack, {name.replace("_", "."): text for name, text in settings.items()})
        yield ground


def folder() -> "tempfile.TemporaryDirectory[str]":
    """Make a folder that goes when it is left, whatever is still written into it."""
    return tempfile.TemporaryDirectory(prefix="daymark-bench-", ignore_cleanup_errors=True)


def cache() -> Path:
    """Return the user's cache folder."""
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()


def _given() -> tuple[str | None, str | None]:
    kafka, store = os.environ.get("DAYMARK_TEST_KAFKA"), os.environ.get("DAYMARK_TEST_REDIS")
    if bool(kafka) != bool(store):
        raise ValueError("set both of DAYMARK_TEST_KAFKA and DAYMARK_TEST_REDIS, or none")
    return kafka, store


def _embedded(stack: ExitStack, settings: Mapping[str, str]) -> Ground:
    at = Path(stack.enter_context(folder()))
    kafka, valkey = Kafka(prepare(cache()), at / "kafka", settings=settings), Valkey(at / "valkey")
    stack.callback(kafka.discard)
    kafka.start()
    stack.callback(valkey.kill)
    valkey.start()
    pid_files = {"broker": at / "kafka" / "node-1" / "pid", "store": at / "valkey" / "pid"}
    pids = {name: processes.noted(file) for name, file in pid_files.items()}
    # Its coordinators are loaded when this returns: nobody waits for them, or complains, later.
    Producer({"bootstrap.servers": kafka.bootstrap, "transactional.id": "first", "log_level": 0}).init_transactions(60)
    found = {name: pid for name, pid in pids.items() if pid is not None}
    return Ground(kafka.bootstrap, valkey.url, found, at / "kafka" / "node-1" / "data")
