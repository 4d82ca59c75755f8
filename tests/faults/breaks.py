"""Deliberate faults in the protocol, to see that the audit finds them: one of them, in every worker of a run.

Each is a patch of the product's code inside the worker under test, and says which faults of the world bring it out.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import redis
from confluent_kafka import Consumer, TopicPartition

from processor import plan
from processor.claims import Claims, clock_key, day_key
from processor.connections import Connections
from processor.cursor import Cursor
from processor.decide import Candidate, Candidates, ContactDay, winners
from processor.errors import ClaimsAway
from processor.ports import Claimed
from processor.records import Batch, Output, Record
from processor.sink import Sink
from processor.source import Source
from processor.traits import Clock, Property
from schemas import lanes
from tests.faults.frames import Api
from tests.faults.schedule import STEPS, Kind


class Break(NamedTuple):
    """A fault in the protocol: what makes it, and what of the world it cannot stand."""

    make: Callable[[], None]
    kinds: Sequence[Kind]
    steps: Sequence[str] = ()


def no_owner() -> None:
    """Take every claim that is there for somebody else's: what a killed worker had claimed is lost."""

    def only_firsts(
        candidates: Candidates, holders: Sequence[bytes | None], _: Callable[[Record], bytes]
    ) -> Mapping[ContactDay, Candidate]:
        return {
            day: siblings[0] for (day, siblings), holder in zip(candidates.items(), holders, strict=True) if not holder
        }

    _patch(plan, "winners", only_firsts)


def claim_after_commit() -> None:
    """Look at the claims before the transaction and make them after it: a kill between doubles."""
    made, commit = Claims.claim, Sink.commit
    pending: list[tuple[Claims, Mapping[ContactDay, bytes], Mapping[Property, Clock]]] = []

    def look(claims: Claims, owners: Mapping[ContactDay, bytes], clocks: Mapping[Property, Clock]) -> Claimed:
        pending[:] = [(claims, owners, clocks)]
        days = [day_key(claims._secret, contact_day) for contact_day in owners]
        times = [clock_key(claims._secret, of) for of in clocks]
        try:
            found = claims._client.mget(days + times) if days or times else []
        except redis.RedisError as error:
            raise ClaimsAway(str(error)) from error
        return Claimed(found[: len(days)], [packed and Clock.unpacked(packed) for packed in found[len(days) :]])

    def commit_first(sink: Sink, outputs: Sequence[Output], batch: Batch) -> None:
        commit(sink, outputs, batch)
        while pending:
            made(*pending.pop())

    _patch(Claims, "claim", look)
    _patch(Sink, "commit", commit_first)


def offsets_outside() -> None:
    """Commit offsets after the transaction, by the consumer: a kill between writes a batch twice."""
    note = Source.committed

    def commit_offsets(source: Source, batch: Batch) -> None:
        cursors = {False: source._cursor, **({True: source._lane._cursor} if source._lane else {})}
        places = [
            TopicPartition(cursors[lanes.is_backfill(number)]._topic, lanes.own(number), offset)
            for number, offset in batch.next_offsets().items()
        ]
        source._consumer.commit(offsets=places, asynchronous=False)
        note(source, batch)

    _patch(Sink, "_send_offsets", lambda *_: None)
    _patch(Source, "committed", commit_offsets)


def no_rewind() -> None:
    """Go on after a batch that came to nothing: it is lost."""
    _patch(Source, "rewind", lambda *_: None)


_LEAK_BYTES = 500_000  # a batch
_EVERYBODYS = range(1 << 16)  # partitions, of both lanes


def no_filter() -> None:
    """Keep records of partitions that were given up while they were read."""
    leave, in_order = Source._leave, Cursor._in_order

    def leave_quietly(source: Source, *arguments: Any, **event: Any) -> None:
        leave(source, *arguments, **event)
        source._revoked.clear()

    _patch(Cursor, "_in_order", lambda cursor, messages, _: in_order(cursor, messages, _EVERYBODYS))
    _patch(Source, "_leave", leave_quietly)


def blank_metadata() -> None:
    """Commit with the metadata of a consumer that never joined: the broker takes it from anybody, a zombie, too."""
    send = Sink._send_offsets
    stranger = Consumer({"bootstrap.servers": os.environ["DAYMARK_KAFKA"], "group.id": os.environ["DAYMARK_GROUP"]})

    def send_blank(sink: Sink, offsets: Any, _: Any, wait_s: float) -> None:
        send(sink, offsets, stranger.consumer_group_metadata(), wait_s)

    _patch(Sink, "_send_offsets", send_blank)


def late_metadata() -> None:
    """Ask for the group's metadata at commit time: where the driver has blanked it, nothing fences a zombie."""
    sources: list[Source] = []
    next_batch, send = Source.next_batch, Sink._send_offsets

    def remember(source: Source) -> Batch | None:
        sources[:] = [source]
        return next_batch(source)

    def send_late(sink: Sink, offsets: Any, _: Any, wait_s: float) -> None:
        send(sink, offsets, sources[0]._consumer.consumer_group_metadata(), wait_s)

    _patch(Source, "next_batch", remember)
    _patch(Sink, "_send_offsets", send_late)


def no_renewal() -> None:
    """Keep an epoch although a request of it may still arrive, unless the driver complains."""
    _patch(Connections, "log", lambda *_: None)


def leak() -> None:
    """Keep memory of every batch: what a soak must see."""
    kept: list[bytes] = []
    note = Source.committed

    def keep(source: Source, batch: Batch) -> None:
        kept.append(os.urandom(_LEAK_BYTES))
        note(source, batch)

    _patch(Source, "committed", keep)


class _Every(dict[ContactDay, Candidate]):
    """Winners that are more than one a contact-day."""

    def __init__(self, pairs: Sequence[tuple[ContactDay, Candidate]]) -> None:
        super().__init__(pairs)
        self._pairs = pairs

    def items(self) -> Any:
        return iter(self._pairs)

    def __len__(self) -> int:
        return len(self._pairs)


def no_collapse() -> None:
    """Judge each event of a batch by what the store said of its contact-day: siblings of a first are firsts, too."""

    def every(
        candidates: Candidates, holders: Sequence[bytes | None], owner_of: Callable[[Record], bytes]
    ) -> Mapping[ContactDay, Candidate]:
        return _Every(list(_each(candidates, holders, owner_of)))

    _patch(plan, "winners", every)


def _each(
    candidates: Candidates, holders: Sequence[bytes | None], owner_of: Callable[[Record], bytes]
) -> Iterator[tuple[ContactDay, Candidate]]:
    for (contact_day, siblings), holder in zip(candidates.items(), holders, strict=True):
        if holder is None:
            yield from ((contact_day, sibling) for sibling in siblings)
        else:
            yield from winners({contact_day: siblings}, [holder], owner_of).items()


def _patch(owner: Any, name: str, by: object) -> None:
    assert hasattr(owner, name), f"nothing is called {name} any more: this breaks nothing"
    setattr(owner, name, by)


def nothing() -> None:
    """Break nothing: what the others are compared with."""


BREAKS: dict[str, Break] = {
    "nothing": Break(nothing, [Kind.AIMED_KILL, Kind.AIMED_KILL, Kind.AIMED_STOP, Kind.KILL], STEPS),
    "no-owner": Break(no_owner, [Kind.AIMED_KILL], ["claimed", "begun", "produced", "offsets"]),
    "claim-after-commit": Break(claim_after_commit, [Kind.AIMED_KILL], ["committed"]),
    "offsets-outside": Break(offsets_outside, [Kind.AIMED_KILL], ["committed"]),
    "no-rewind": Break(no_rewind, [Kind.STORE_KILL, Kind.STORE_FULL, Kind.STORE_READ_ONLY]),
    "no-filter": Break(no_filter, [Kind.TERM, Kind.JOIN, Kind.AIMED_STOP], ["batched", "claimed", "begun"]),
    "blank-metadata": Break(blank_metadata, [Kind.AIMED_STOP], ["batched", "read", "claimed"]),
    "late-metadata": Break(late_metadata, [Kind.AIMED_STOP], ["batched", "read", "claimed"]),
    "no-renewal": Break(no_renewal, [Kind.REQUEST], [Api.END_TXN.name, Api.END_TXN.name, Api.TXN_OFFSET_COMMIT.name]),
    "leak": Break(leak, [Kind.TERM]),
    "no-collapse": Break(no_collapse, [Kind.TERM]),
}
