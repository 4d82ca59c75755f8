"""Deliberate faults in the product and its settings, to see that a world finds them: each bug of its history, too.

One of them is put into a whole process, since all workers of its worlds are to have it. Those that the fault suite has
already are taken from there.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec
import redis

from processor import plan, traits
from processor.claims import Claims, clock_key, day_key
from processor.decide import Candidate, Candidates, ContactDay
from processor.errors import ClaimsAway
from processor.lane import Lane
from processor.ports import Claimed
from processor.recent_winners import RecentWinners
from processor.records import Batch, Output, Record
from processor.sink import Sink
from processor.source import Source
from processor.traits import Clock, Property
from schemas.lanes import BACKFILL
from tests.faults.breaks import _patch, no_collapse, no_filter, no_owner, no_renewal, no_rewind, offsets_outside
from tests.world import run
from tests.world.requests import Membership


def blank_metadata() -> None:
    """Commit with blank metadata: the broker takes it from anybody, a zombie, too."""
    send = Sink._send_offsets
    _patch(Sink, "_send_offsets", lambda sink, offsets, _, wait_s: send(sink, offsets, Membership(), wait_s))


class _Late:
    """Asks for the metadata when it is looked at."""

    def __init__(self, source: Source) -> None:
        self._source = source

    def now(self) -> Any:
        return self._source._consumer.consumer_group_metadata()


def late_metadata() -> None:
    """Ask for the group's metadata at commit time: where the driver has blanked it, nothing fences a zombie."""
    next_batch, send = Source.next_batch, Sink._send_offsets

    def later(source: Source) -> Batch | None:
        batch = next_batch(source)
        if batch is None:
            return None
        return msgspec.structs.replace(batch, membership=_Late(source))

    _patch(Source, "next_batch", later)
    _patch(Sink, "_send_offsets", lambda sink, offsets, late, wait_s: send(sink, offsets, late.now(), wait_s))


def frozen_pause() -> None:
    """Leave partitions that go paused to the driver, which keeps the pause until they come back."""

    def leave_paused(source: Source, consumer: Any, partitions: Any, event: str) -> None:
        paused, source._paused = source._paused, False
        leave(source, consumer, partitions, event=event)
        source._paused = paused

    leave = Source._leave
    _patch(Source, "_leave", leave_paused)


def hanging_coordinator() -> None:
    """Make the call that can hang on the worker's own thread, with a producer that outlives a broker."""

    def send(sink: Sink, offsets: Any, membership: Any, wait_s: float) -> None:
        sink._producer.send_offsets_to_transaction(offsets, membership, wait_s)

    _patch(Sink, "_send_offsets", send)


def static_between_moves() -> None:
    """Make static members of a cooperative group: one that is killed between two moves leaves partitions to nobody."""
    for mode in run.MODES:
        run.MODES[mode] = (True, {"partition.assignment.strategy": "cooperative-sticky"})


def claim_after_commit() -> None:
    """Look at the claims before the transaction, and make them after it: a kill between doubles."""
    made, commit = Claims.claim, Sink.commit
    pending: dict[int, tuple[Claims, Mapping[ContactDay, bytes], Mapping[Property, Clock]]] = {}

    def look(claims: Claims, owners: Mapping[ContactDay, bytes], clocks: Mapping[Property, Clock]) -> Claimed:
        pending[id(claims)] = (claims, owners, clocks)
        days = [day_key(claims._secret, contact_day) for contact_day in owners]
        times = [clock_key(claims._secret, of) for of in clocks]
        try:
            found = [claims._client.get(key) for key in days + times]
        except redis.RedisError as error:
            raise ClaimsAway(str(error)) from error
        return Claimed(found[: len(days)], [packed and Clock.unpacked(packed) for packed in found[len(days) :]])

    def commit_first(sink: Sink, outputs: Sequence[Output], batch: Batch) -> None:
        commit(sink, outputs, batch)
        claims = sink._note.__self__  # type: ignore[attr-defined]
        if id(claims) in pending:
            made(*pending.pop(id(claims)))

    _patch(Claims, "claim", look)
    _patch(Sink, "commit", commit_first)


def stale_by_arrival() -> None:
    """Let the change that comes last be the newest."""
    claim = Claims.claim

    def forgetful(claims: Claims, owners: Mapping[ContactDay, bytes], clocks: Mapping[Property, Clock]) -> Claimed:
        return Claimed(claim(claims, owners, clocks).holders, [None] * len(clocks))

    _patch(Claims, "claim", forgetful)


def clocks_unmoved() -> None:
    """Compare changes with the clock, and set it to whatever comes."""
    _patch(traits.Clock, "is_stale", lambda _clock, _before: False)


def _apart(first: str) -> Callable[[], None]:
    """Commit results and offsets in two transactions, the one or the other first."""

    def make() -> None:
        commit, send = Sink.commit, Sink._send_offsets

        def in_two(sink: Sink, outputs: Sequence[Output], batch: Batch) -> None:
            for what in (first, "offsets" if first == "results" else "results"):
                skips[id(sink)] = what == "results"
                commit(sink, outputs if what == "results" else [], batch)

        def send_if_due(sink: Sink, offsets: Any, membership: Any, wait_s: float) -> None:
            if not skips.get(id(sink)):
                send(sink, offsets, membership, wait_s)

        skips: dict[int, bool] = {}
        _patch(Sink, "commit", in_two)
        _patch(Sink, "_send_offsets", send_if_due)

    return make


def remembered() -> None:
    """Remember winners beyond the assignment: what is replayed meanwhile is taken for duplicates."""
    _patch(RecentWinners, "keep_for", lambda *_: None)


def no_siblings() -> None:
    """Let only the first of a collapsed group own the claim: what a later one has claimed is lost."""

    def by_the_first(
        candidates: Candidates, holders: Sequence[bytes | None], owner_of: Callable[[Record], bytes]
    ) -> Mapping[ContactDay, Candidate]:
        return {
            day: siblings[0]
            for (day, siblings), holder in zip(candidates.items(), holders, strict=True)
            if holder is None or holder == owner_of(siblings[0].record)
        }

    _patch(plan, "winners", by_the_first)


def own_lane() -> None:
    """Read on in the lane of a backfill, whoever has the live partition by now."""
    moved = Lane.moved

    def never_goes(lane: Lane, partitions: Iterable[int]) -> None:
        moved(lane, [partition for partition in partitions if BACKFILL + partition not in lane._held])

    _patch(Lane, "moved", never_goes)


BREAKS: Final[dict[str, Callable[[], None]]] = {
    "blank-metadata": blank_metadata,
    "late-metadata": late_metadata,
    "frozen-pause": frozen_pause,
    "hanging-coordinator": hanging_coordinator,
    "static-between-moves": static_between_moves,
    "no-renewal": no_renewal,
    "no-owner": no_owner,
    "claim-after-commit": claim_after_commit,
    "offsets-outside": offsets_outside,
    "offsets-first": _apart("offsets"),
    "results-first": _apart("results"),
    "no-rewind": no_rewind,
    "no-filter": no_filter,
    "no-collapse": no_collapse,
    "stale-by-arrival": stale_by_arrival,
    "clocks-unmoved": clocks_unmoved,
    "remembered": remembered,
    "no-siblings": no_siblings,
    "own-lane": own_lane,
}
