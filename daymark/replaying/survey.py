"""Collects what a replay needs: log ends, offsets, instants, the first record of each range. Resets nothing."""

import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Final

import msgspec
from confluent_kafka import Consumer, KafkaError, KafkaException

from daymark.auditing import reading
from daymark.auditing.raws import Raws
from daymark.auditing.scope import Clients
from daymark.replaying.plan import Ground, Part, Plan, plan
from daymark.replaying.start import Since, Start

_DAY_MS: Final = 86_400_000
_FIRST_S: Final = 10.0
# No record to read again, or one that cannot be decompressed.
_DATELESS: Final = {KafkaError._PARTITION_EOF, reading.UNREADABLE}  # noqa: SLF001  public, in spite of its name


def survey(
    clients: Clients,
    raws: Raws,
    starts: Sequence[Start],
    claim_days: int,
    *,
    until_ms: int | None = None,
) -> Plan:
    """Return what a replay would do now.

    Args:
        clients: the first belongs to the group.
        raws: the topics of raw events that are replayed.
        starts: where it is to begin.
        claim_days: how long claims live.
        until_ms: the instant before which events must have been written; None: no bound.

    Raises:
        KafkaException: Kafka does not answer.
        Unsafe: it must not begin there.
    """
    stands = raws.committed(clients.committed)
    bounds = raws.bounds(clients.uncommitted)
    at = partial(raws.offsets_at, clients.uncommitted)
    since_ms = next((start.instant_ms for start in starts if isinstance(start, Since)), None)
    since: Mapping[int, int | None] = {} if since_ms is None else at(max(0, since_ms))
    until: Mapping[int, int | None] = {} if until_ms is None else at(max(0, until_ms))
    alive_ms = time.time_ns() // 1_000_000 - claim_days * _DAY_MS
    alive = at(alive_ms)
    ground = {
        number: Ground(*bounds[number], stands[number], since.get(number), alive[number], until.get(number))
        for number in bounds
    }
    planned = plan(starts, ground)
    return Plan(_dated(clients.committed, raws, planned.parts))


def _dated(consumer: Consumer, raws: Raws, parts: Sequence[Part]) -> tuple[Part, ...]:
    """Return parts, each with the timestamp of the first record to be read again."""
    found: dict[int, int] = {}
    waiting = {part.partition: part.target for part in parts if part.target is not None}
    places = [raws.place(number, target) for number, target in waiting.items()]
    consumer.assign(places)
    consumer.resume(places)  # the driver keeps the pause of an earlier look
    until = time.monotonic() + _FIRST_S
    while waiting and time.monotonic() < until:
        message = consumer.poll(0.2)
        if message is None:
            continue
        error, number = message.error(), raws.number(message)
        if error is None and number in waiting:
            found[number] = message.timestamp()[1]
        elif error is not None and error.code() not in _DATELESS:
            raise KafkaException(error)
        if number is not None and (target := waiting.pop(number, None)) is not None:
            consumer.pause([raws.place(number, target)])
    consumer.unassign()
    return tuple(msgspec.structs.replace(part, oldest_ms=found.get(part.partition)) for part in parts)
