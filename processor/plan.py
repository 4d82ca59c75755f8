"""A batch -> its outcome: steps 2 to 5 of `worker`. Neither reads nor writes topics; calls the claims once.

Invariant: the same batch, workspaces and claim results give the same plan.
"""

from collections.abc import Callable, Collection, Mapping
from typing import NamedTuple

from processor import metrics, outputs
from processor.breaker import Breaker
from processor.decide import Candidate, ContactDay, collapse, winners
from processor.outputs import Codecs
from processor.ports import ClaimsPort
from processor.recent_winners import RecentWinners
from processor.records import Batch, Output, Record
from processor.traits import Property, Update, Updates
from schemas import segment
from schemas.identify import Identify
from schemas.rejections import Rejection
from schemas.topics import Topics
from schemas.workspace import DEFAULT, Workspace, Workspaces


class Plan(NamedTuple):
    """The outcome of a batch, before it is committed."""

    outputs: list[Output]
    emitted: Collection[ContactDay]
    newest_ms: Mapping[Property, int]  # of the properties that change
    results: Mapping[str, int]  # events by what becomes of them
    traits: Mapping[str, int]  # changes of properties, likewise
    unknown: int  # events of workspaces that are not in the file


class _Read(NamedTuple):
    """What a batch says."""

    records: list[Record]  # that are readable
    identifies: list[Identify]  # what each of them says
    rejections: list[tuple[Record, Rejection]]
    updates: Updates
    workspaces: dict[str, Workspace]  # whose events they are
    unknown: list[Record]  # of workspaces that are not in the file


class _Decision(NamedTuple):
    """What of it counts."""

    emitted: Mapping[ContactDay, Candidate]
    updates: list[Update]


class Planner:
    """Makes plans."""

    def __init__(
        self,
        claims: ClaimsPort,
        *,
        workspaces: Callable[[], Workspaces],
        topics: Topics,
        codecs: Codecs,
        breaker: Breaker,
    ) -> None:
        """Take the dependencies, which `Worker` describes."""
        self._claims, self._workspaces = claims, workspaces
        self._topics, self._codecs, self._breaker = topics, codecs, breaker
        self._winners = RecentWinners()
        self._room_bytes = outputs.ROOM_BYTES

    def plan(self, batch: Batch) -> Plan:
        """Return what a batch is to become.

        Raises:
            ClaimsAway: Redis cannot answer.
            Fatal: it refuses us, or nearly everything would be rejected.
        """
        workspaces = self._workspaces()
        self._winners.keep_for((batch.assignment, batch.incarnation, batch.backfill_mark))
        owner_of = batch.owner
        with metrics.STEP_SECONDS.labels("read").time():
            read = _read(batch, workspaces, self._winners, owner_of)  # 2
        self._breaker.check(len(batch.records), len(read.rejections))
        candidates = collapse(read.records, read.identifies, read.workspaces, self._winners.contacts)  # 3
        with metrics.STEP_SECONDS.labels("claim").time():
            claimed = self._claims.claim(
                {contact_day: owner_of(group[0].record) for contact_day, group in candidates.items()},
                read.updates.clocks(),
            )  # 4
        with metrics.STEP_SECONDS.labels("decide").time():
            decision = _Decision(
                winners(candidates, claimed.holders, owner_of), read.updates.fresh(claimed.clocks)
            )  # 5
            written = self._written(read, decision)
        newest_ms = {update.of: update.clock.timestamp_ms for update in decision.updates}  # each fresher than the last
        return Plan(written, decision.emitted.keys(), newest_ms, *_counted(read, decision), len(read.unknown))

    def committed(self, plan: Plan) -> None:
        """Take note that a plan is committed."""
        self._winners.add(plan.emitted)
        self._winners.changed(plan.newest_ms)

    def begin(self, room_bytes: int) -> None:
        """Begin a session: forget what was committed, and let a rejection take so many bytes, its key included."""
        self._winners = RecentWinners()
        self._room_bytes = room_bytes

    def _written(self, read: _Read, decision: _Decision) -> list[Output]:
        interactions, traits, rejected = self._topics.interactions, self._topics.traits, self._topics.rejected
        codecs, known = self._codecs, read.workspaces
        written = [
            outputs.interaction(of, winner, known[of.workspace], interactions, codecs.interaction)
            for of, winner in decision.emitted.items()
        ]
        written += [outputs.trait(update, traits, codecs.trait) for update in decision.updates]
        written += [
            outputs.rejected(record, why, rejected, codecs.rejected, self._room_bytes)
            for record, why in read.rejections
        ]
        return written


def _counted(read: _Read, decision: _Decision) -> tuple[dict[str, int], dict[str, int]]:
    results = {"emitted": len(decision.emitted), "duplicate": len(read.identifies) - len(decision.emitted)}
    for _, why in read.rejections:
        results[why.reason] = results.get(why.reason, 0) + 1
    changed = len(decision.updates)
    return results, {"emitted": changed, "stale": read.updates.stale + len(read.updates.updates) - changed}


def _read(batch: Batch, workspaces: Workspaces, winners: RecentWinners, owner_of: Callable[[Record], bytes]) -> _Read:
    updates = Updates(winners.newest_ms)
    read = _Read([], [], [], updates, {}, [])
    known, records, identifies, judge = read.workspaces, read.records, read.identifies, segment.read
    for record in batch.records:
        name = record.workspace
        workspace = known.get(name)
        if workspace is None:
            workspace = known[name] = workspaces.get(name)
        found = record.refusal or judge(record.value, record.arrived_ms, workspace, published=True)
        if type(found) is Rejection:
            read.rejections.append((record, found))
            continue
        records.append(record)
        identifies.append(found)
        if found.changes:
            updates.add(record, found, owner_of)
    unknown = {name for name in known if name != DEFAULT and name not in workspaces}
    if unknown:
        read.unknown.extend(record for record in batch.records if record.workspace in unknown)
    return read
