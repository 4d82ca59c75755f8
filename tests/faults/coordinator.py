"""Which member the coordinator assigns each partition to, dead members that never learned of it included.

Asked from a separate process, which may die: librdkafka aborts when an answer of the admin's comes too late
(librdkafka issue 4605).
"""

import json
import subprocess
import sys
import threading
import time
from bisect import bisect_left
from collections import defaultdict
from contextlib import suppress

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, MemberDescription  # type: ignore[attr-defined]  # public, not marked so

_EVERY_S, _ANSWER_S = 0.25, 5.0


class Coordinator:
    """The assignment as a group's coordinator reports it. A client is known by its `client.id`, a new one each life."""

    def __init__(self, kafka: str, group: str, topic: str) -> None:
        self._entries: dict[str, list[tuple[float, list[int]]]] = defaultdict(list)
        self._ended = threading.Event()
        self._command = [sys.executable, "-m", __name__, kafka, group, topic]
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Ask no more."""
        self._ended.set()
        self._thread.join(30)

    def given(self, client: str, since: float) -> dict[int, float]:
        """Return the partitions that were a client's at some time after `since`, and when they first were seen to be.

        Times are in monotonic seconds.
        """
        found: dict[int, float] = {}
        entries = self._entries.get(client, [])
        for at, partitions in entries[bisect_left(entries, since, key=lambda entry: entry[0]) :]:
            for partition in partitions:
                found.setdefault(partition, at)
        return found

    def _run(self) -> None:
        while not self._ended.wait(_EVERY_S):
            with subprocess.Popen(
                self._command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
            ) as asking:
                assert asking.stdout is not None
                for line in asking.stdout:
                    self._note(line)
                    if self._ended.is_set():
                        asking.kill()

    def _note(self, line: str) -> None:
        if line.endswith("\n"):
            said = json.loads(line)
            for client, partitions in said["partitions"].items():
                self._entries[client].append((said["at"], partitions))


def _ask(kafka: str, group: str, topic: str) -> None:
    admin = AdminClient({"bootstrap.servers": kafka, "log_level": 2})
    while True:
        members: list[MemberDescription] = []
        with suppress(KafkaException):  # nobody has joined yet, or nobody answers
            members = admin.describe_consumer_groups([group], request_timeout=_ANSWER_S)[group].result().members
        partitions = {member.client_id: _partitions(member, topic) for member in members}
        sys.stdout.write(json.dumps({"at": time.monotonic(), "partitions": partitions}) + "\n")
        sys.stdout.flush()
        time.sleep(_EVERY_S)


def _partitions(member: MemberDescription, topic: str) -> list[int]:
    """Return what the member has and, by the new protocol, what it is to have: nobody else gets that meanwhile."""
    parts = [part for part in (member.assignment, member.target_assignment) if part is not None]
    return sorted({place.partition for part in parts for place in part.topic_partitions if place.topic == topic})


if __name__ == "__main__":
    _ask(*sys.argv[1:])
