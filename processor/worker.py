"""The worker: the only loop, and the order that is the guarantee.

    HTTP ─▶ ingest ─▶ segment.events ─▶ 1 batch ─▶ 2 read ─▶ 3 collapse ─▶ 4 claim ─▶ 5 decide ─▶ 6 one transaction
                            ▲                                                │           results, rejections, offsets
                            └────────── 7 anything wrong: go back ◀──────────┘

Owns when a step is taken and what is done about each fault; what a step does is elsewhere. Invariant: an offset is
committed only together with everything that the records before it became.
"""

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple, assert_never

import structlog

from processor import metrics, outputs
from processor.breaker import Breaker
from processor.claims import owner
from processor.decide import Candidate, collapse, winners
from processor.errors import Aborted, ClaimsAway, ClaimsFull, Fatal, KafkaAway, SessionLost
from processor.outputs import Codecs
from processor.ports import ClaimsPort, Session
from processor.records import Batch, Output, Record
from schemas import segment, timestamps
from schemas.identify import Identify
from schemas.reasons import Rejection
from schemas.topics import Topics
from schemas.workspace import DEFAULT, Workspaces

# A session lost again and again is no accident: two workers with one slot take it from each other.
_MOST_SESSIONS, _SESSIONS_WITHIN_S = 5, 300.0
_ABORTED_PAUSE_S, _AWAY_PAUSE_S = 0.1, 1.0
_WAITS = 4  # of a paused source, between two questions whether Redis is back

log = structlog.get_logger()


class Plan(NamedTuple):
    """What a batch is to become."""

    outputs: list[Output]
    results: dict[str, int]  # events by what becomes of them
    unknown: int  # events of workspaces that are not in the file


class Worker:
    """Takes batches of raw events to interactions until it is told to stop."""

    def __init__(
        self,
        open_session: Callable[[], Session],
        claims: ClaimsPort,
        *,
        workspaces: Callable[[], Workspaces],
        topics: Topics,
        codecs: Codecs,
        breaker: Breaker,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Take the parts; nothing is opened before `run`.

        Args:
            open_session: joins the group and makes a producer.
            claims: the day keys.
            workspaces: tells the workspaces as they are now.
            topics: where results go.
            codecs: how they are written.
            breaker: stops the worker when nearly everything would be rejected.
            clock: seconds, monotonic.
            sleep: waits for some seconds.
        """
        self._open_session, self._claims, self._workspaces = open_session, claims, workspaces
        self._topics, self._codecs, self._breaker = topics, codecs, breaker
        self._clock, self._sleep = clock, sleep
        self._stopping = False

    def stop(self) -> None:
        """Finish the batch at hand, then return from `run`. May be called by a signal handler."""
        self._stopping = True

    def run(self) -> None:
        """Work until stopped.

        Raises:
            Fatal: the worker cannot go on; what it had not committed is left for another.
        """
        began: list[float] = []
        while not self._stopping:
            now = self._clock()
            began = [*(then for then in began if now - then < _SESSIONS_WITHIN_S), now]
            try:
                self._serve_session()
            except KafkaAway as error:
                began.pop()
                log.warning("kafka.away", error=str(error))
                self._sleep(_AWAY_PAUSE_S)
            except SessionLost as error:
                log.warning("session.lost", error=str(error), sessions=len(began))
                if len(began) >= _MOST_SESSIONS:
                    raise Fatal(
                        f"{len(began)} sessions were lost within {_SESSIONS_WITHIN_S:.0f} s, the last: {error}. "
                        "Is another worker running under this DAYMARK_SLOT?"
                    ) from error
                self._sleep(min(2.0 ** len(began) / 4, 5.0))

    def _serve_session(self) -> None:
        session = self._open_session()
        metrics.SESSIONS.inc()
        try:
            while not self._stopping:
                metrics.LAST_LOOP.set_to_current_time()
                batch = session.source.next_batch()
                metrics.PARTITIONS.set(len(session.source.assigned))
                if batch is None:
                    session.sink.poll()
                else:
                    self._take(session, batch)
        finally:
            session.source.close()
            session.sink.close()

    def _take(self, session: Session, batch: Batch) -> None:
        """Take one batch through the steps; 1, the batch itself, is the caller's.

        2. Read each record: an identify or a rejection. Pure.
        3. Collapse: of several events of one contact-day only the first asks for the claim. Pure.
        4. Claim, before any transaction is open, so that none waits for Redis.
        5. Decide: what is emitted, rejected, a duplicate. Pure.
        6. One transaction: results, rejections, offsets. Nothing slow is done while it is open.
        7. Anything wrong after 1: go back to the batch's first offsets. Claims know their own.
        """
        try:
            plan = self._plan(batch)
            with metrics.STEP_SECONDS.labels("commit").time():
                session.sink.commit(plan.outputs, batch)  # 6
        except ClaimsAway as error:
            metrics.BATCHES.labels("claims_away").inc()
            session.source.rewind(batch)  # 7
            self._await_claims(session, error, batch)
        except Aborted as error:
            metrics.BATCHES.labels("aborted").inc()
            log.warning("batch.aborted", error=str(error), records=len(batch.records))
            session.source.rewind(batch)  # 7
            self._sleep(_ABORTED_PAUSE_S)
        else:
            session.source.committed(batch)
            self._count(plan, batch)

    def _plan(self, batch: Batch) -> Plan:
        workspaces = self._workspaces()
        with metrics.STEP_SECONDS.labels("read").time():
            identifies, rejections = _read(batch.records)  # 2
        self._breaker.check(len(batch.records), len(rejections))
        candidates = collapse(identifies, lambda name, instant: timestamps.day(instant, workspaces.get(name).zone))  # 3

        def owner_of(record: Record) -> bytes:
            return owner(batch.incarnation, record)

        with metrics.STEP_SECONDS.labels("claim").time():
            holders = self._claims.claim(
                list(candidates), [owner_of(group[0].record) for group in candidates.values()]
            )  # 4
        with metrics.STEP_SECONDS.labels("decide").time():
            emitted = winners(candidates, holders, owner_of)  # 5
            written = [
                outputs.interaction(
                    contact_day, winner, workspaces.get(contact_day.workspace), self._topics, self._codecs.interaction
                )
                for contact_day, winner in emitted.items()
            ]
            written += [
                outputs.rejected(record, why, self._topics, self._codecs.rejected) for record, why in rejections
            ]
        results = {"emitted": len(emitted), "duplicate": len(identifies) - len(emitted)}
        for _, why in rejections:
            results[why.reason] = results.get(why.reason, 0) + 1
        return Plan(written, results, sum(_is_unknown(record.workspace, workspaces) for record in batch.records))

    def _count(self, plan: Plan, batch: Batch) -> None:
        """Count what is committed, and only that: the figures agree with the topics."""
        for result, events in plan.results.items():
            metrics.EVENTS.labels(result).inc(events)
        metrics.UNKNOWN_WORKSPACE.inc(plan.unknown)
        metrics.BATCHES.labels("committed").inc()
        metrics.BATCH_RECORDS.observe(len(batch.records))
        metrics.EVENT_LAG_SECONDS.set(
            max(0.0, time.time() - max(record.appended_ms for record in batch.records) / 1000)
        )
        self._breaker.note(len(batch.records), len(batch.records) - plan.results["emitted"] - plan.results["duplicate"])

    def _await_claims(self, session: Session, error: ClaimsAway, batch: Batch) -> None:
        """Pause until Redis takes a batch's claims, as a member of the group all the while.

        The batch has been given back: it is only asked for again, its claims knowing their own. A ping would not do: a
        full store answers it.
        """
        log.error("claims.away", error=str(error), full=isinstance(error, ClaimsFull))
        metrics.PAUSED.set(1)
        session.source.pause()
        while not self._stopping:
            metrics.CLAIMS_FULL.set(isinstance(error, ClaimsFull))
            for _ in range(_WAITS):
                metrics.LAST_LOOP.set_to_current_time()
                session.source.wait()
            session.sink.poll()
            try:
                self._plan(batch)
            except ClaimsAway as again:
                error = again
            else:
                break
        session.source.resume()
        metrics.PAUSED.set(0)
        metrics.CLAIMS_FULL.set(0)
        log.info("claims.back")


def _read(records: Sequence[Record]) -> tuple[list[Candidate], list[tuple[Record, Rejection]]]:
    identifies: list[Candidate] = []
    rejections: list[tuple[Record, Rejection]] = []
    for record in records:
        received_at_ms = record.appended_ms if record.received_at_ms is None else record.received_at_ms
        found = segment.read(record.value, received_at_ms)
        match found:
            case Identify():
                identifies.append(Candidate(record, found))
            case Rejection():
                rejections.append((record, found))
            case _:
                assert_never(found)
    return identifies, rejections


def _is_unknown(workspace: str, workspaces: Workspaces) -> bool:
    return workspace != DEFAULT and workspace not in workspaces
