"""Checks Kafka: topics, time-outs, permissions, the group, hanging transactions. Changes nothing."""

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # public, but not marked so
    AclOperation,
    AdminClient,
    ClusterMetadata,
    ConfigResource,
    ResourceType,
)

from daymark import topic_states
from daymark.auditing import reading
from daymark.checkup.findings import Finding, fault, ok, warning
from daymark.replaying import group as groups
from daymark.settings import Settings
from schemas.topics import Topic

_ANSWER_S: Final = 15.0
_WORKS_AGAINST: Final = ("partitions, ", "cleanup.policy", "max.message.bytes")  # what no worker can live with
_STANDING_MS: Final = 2  # times a transaction's time-out


class Ground(NamedTuple):
    """What is asked, by whom."""

    found: Settings
    admin: AdminClient
    committed: Consumer
    uncommitted: Consumer
    cluster: ClusterMetadata


def look(ground: Ground) -> Iterator[Finding]:
    """Yield what is found. What cannot be asked is a warning, and says which right lacks."""
    brokers = len(ground.cluster.brokers)
    if brokers < topic_states.MOST_REPLICAS:
        yield warning("brokers", f"{brokers}: a lost disk loses acknowledged events", "run three or more in production")
    else:
        yield ok("brokers", f"{brokers}, cluster {ground.cluster.cluster_id}")
    for about, check in (("topics", _topics), ("time-outs", _timeouts), ("rights", _rights)):
        try:
            yield from check(ground)
        except KafkaException as error:
            yield _unasked(about, error)
    if any(topic.name not in ground.cluster.topics for topic in _expected(ground)):
        return
    for about, check in (("group", _group), ("lane", _lane), ("transactions", _transactions)):
        try:
            yield from check(ground)
        except KafkaException as error:
            yield _unasked(about, error)


def _expected(ground: Ground) -> tuple[Topic, ...]:
    """Return the topics that must be there, and that of a backfill if it is."""
    topics = ground.found.topics
    return topics.all(lane=ground.found.backfill_lane or topics.backfill in ground.cluster.topics)


def _unasked(about: str, error: KafkaException) -> Finding:
    why = error.args[0].str()
    return warning(about, f"not checked: {why}", "grant Describe and DescribeConfigs to the user that runs doctor")


def _topics(ground: Ground) -> Iterator[Finding]:
    names = [topic.name for topic in _expected(ground)]
    there = topic_states.read(ground.admin, ground.cluster, names)
    partitions = {len(ground.cluster.topics[name].partitions) for name in there}
    copies = min(topic_states.MOST_REPLICAS, len(ground.cluster.brokers))
    for topic in _expected(ground):
        if topic.name not in there:
            yield fault(topic.name, "is not there", "`daymark topics` creates it")
            continue
        wanted = topic_states.want(topic, max(partitions), copies)
        wrong = [*topic_states.differences(wanted, there[topic.name])]
        for each in wrong:
            made = fault if any(word in each for word in _WORKS_AGAINST) else warning
            yield made(topic.name, each, "`daymark topics` shows what is expected; kafka-configs.sh changes it")
        if not wrong:
            yield ok(topic.name, f"{there[topic.name].partitions} partitions, {there[topic.name].replication} copies")


def _timeouts(ground: Ground) -> Iterator[Finding]:
    found = ground.found
    resource = ConfigResource(ResourceType.BROKER, str(min(ground.cluster.brokers)))
    asked = ground.admin.describe_configs([resource], request_timeout=_ANSWER_S)[resource].result()
    told = {name: int(entry.value) for name, entry in asked.items() if name in _LIMITS and entry.value is not None}
    wrong = 0
    for name, (setting, is_most) in _LIMITS.items():
        value = getattr(found, setting)
        if name in told and (value > told[name] if is_most else value < told[name]):
            wrong += 1
            bound = "most" if is_most else "least"
            variable = f"DAYMARK_{setting.upper()}"
            yield fault(
                "time-outs",
                f"{variable} is {value}, the broker's {name} {told[name]}",
                f"the broker's limit is {bound}",
            )
    if not wrong:
        both = f"session {found.session_timeout_ms} ms, transaction {found.transaction_timeout_ms} ms"
        yield ok("time-outs", f"{both}: the broker accepts both")


# A broker's limits: of which setting, and whether it is the most or the least.
_LIMITS: Final[Mapping[str, tuple[str, bool]]] = {
    "transaction.max.timeout.ms": ("transaction_timeout_ms", True),
    "group.max.session.timeout.ms": ("session_timeout_ms", True),
    "group.min.session.timeout.ms": ("session_timeout_ms", False),
}


def _rights(ground: Ground) -> Iterator[Finding]:
    """Yield whether this user may do what a worker does with the topics."""
    topics = ground.found.topics
    needed = {
        topics.events: AclOperation.READ,
        **dict.fromkeys((topics.interactions, topics.traits, topics.rejected), AclOperation.WRITE),
        **({topics.backfill: AclOperation.READ} if ground.found.backfill_lane else {}),
    }
    there = [name for name in needed if name in ground.cluster.topics]
    if not there:
        return
    asked = ground.admin.describe_topics(
        TopicCollection(there), include_authorized_operations=True, request_timeout=_ANSWER_S
    )
    lacking = []
    for name in there:
        allowed = asked[name].result().authorized_operations
        if allowed is not None and needed[name] not in allowed:
            lacking.append(f"{needed[name].name.capitalize()} on topic {name}")
    if lacking:
        yield warning(
            "rights", f"this user lacks a worker's permissions: {', '.join(lacking)}", "grant them to the workers' user"
        )
    else:
        yield ok("rights", "this user has a worker's permissions on the topics")


def _group(ground: Ground) -> Iterator[Finding]:
    found, events = ground.found, ground.found.topics.events
    partitions = sorted(ground.cluster.topics[events].partitions)
    present = groups.members(ground.admin, found.group)
    stands = reading.committed(ground.committed, events, partitions)
    bounds = reading.bounds(ground.uncommitted, events, partitions)
    lag = {n: end - max(first, stands[n] or 0) for n, (first, end) in bounds.items()}
    total, most = sum(lag.values()), max(lag.values())
    said = f"{found.group}: {len(present)} members, {total:,} events to read, {most:,} in one partition at most"
    if not present:
        yield warning("group", said, "start workers with `daymark process`, and check that DAYMARK_GROUP is theirs")
    elif len(present) > len(partitions):
        yield warning("group", said, f"more members than its {len(partitions)} partitions: some are idle")
    else:
        yield ok("group", said)
    beyond = [number for number, (_, end) in bounds.items() if (stands[number] or 0) > end]
    if beyond:
        advice = "the topic was truncated or recreated: workers start at its earliest event; see docs/kafka.md"
        yield fault("offsets", f"committed beyond the end of partitions {_listed(beyond)}", advice)
    gone = sum(max(0, first - at) for number, (first, _) in bounds.items() if (at := stands[number]) is not None)
    if gone:
        yield fault(
            "retention",
            f"{gone:,} events were deleted by retention before they were consumed",
            "raise retention.ms, or run more workers",
        )


def _lane(ground: Ground) -> Iterator[Finding]:
    """Yield whether the events of a backfill's lane are read, if there is such a topic."""
    found, topic = ground.found, ground.found.topics.backfill
    if topic not in ground.cluster.topics:
        return
    partitions = sorted(ground.cluster.topics[topic].partitions)
    stands = reading.committed(ground.committed, topic, partitions)
    bounds = reading.bounds(ground.uncommitted, topic, partitions)
    # The last offset of a partition may be the marker of a backfill's transaction, which no worker commits.
    lag = sum(max(0, end - max(first, stands[number] or 0)) for number, (first, end) in bounds.items())
    most = f"at most {lag:,} events to read"
    if lag <= len(partitions):
        yield ok("lane", f"{'read' if found.backfill_lane else 'switched off'}, {most}")
    elif not found.backfill_lane:
        advice = f"set DAYMARK_BACKFILL_LANE=on for all workers, or delete {topic} if they are not wanted"
        yield warning("lane", f"switched off, {most}: nobody reads them", advice)
    else:
        yield ok("lane", f"read beside live events, {most}")
    gone = sum(max(0, first - at) for number, (first, _) in bounds.items() if (at := stands[number]) is not None)
    if gone:
        advice = f"raise retention.ms of {topic}, send the archive again with another --state"
        yield fault("lane", f"{gone:,} backfilled events were deleted by retention before they were read", advice)


def _transactions(ground: Ground) -> Iterator[Finding]:
    """Yield the partitions whose committed readers stand still behind a transaction that is open for too long."""
    standing, limit_ms = [], _STANDING_MS * ground.found.transaction_timeout_ms
    for topic in _expected(ground):
        partitions = sorted(ground.cluster.topics[topic.name].partitions)
        ends = reading.bounds(ground.uncommitted, topic.name, partitions)
        stable = reading.bounds(ground.committed, topic.name, partitions)
        for number in partitions:
            if stable[number][1] < ends[number][1]:
                since_ms = _written_ms(ground.uncommitted, topic.name, number, stable[number][1])
                if since_ms is not None and time.time_ns() // 1_000_000 - since_ms > limit_ms:
                    standing.append(f"{topic.name} {number}:{stable[number][1]}")
    if standing:
        advice = "kafka-transactions.sh find-hanging, then abort; docs/guarantee.md says what may be discarded"
        yield fault("transactions", f"open for over {limit_ms / 1000:.0f} s at {', '.join(standing)}", advice)
    else:
        yield ok("transactions", "none hanging")


def _written_ms(consumer: Consumer, topic: str, partition: int, offset: int) -> int | None:
    """Return when the record at an offset was written; None: it cannot be read."""
    place = TopicPartition(topic, partition, offset)
    consumer.assign([place])
    consumer.resume([place])
    until = time.monotonic() + _ANSWER_S
    try:
        while time.monotonic() < until:
            message = consumer.poll(0.2)
            if message is not None:
                error = message.error()
                if error is None or error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001  public, in spite of its name
                    return None if error else message.timestamp()[1]
    finally:
        consumer.unassign()
    return None


def _listed(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers))
