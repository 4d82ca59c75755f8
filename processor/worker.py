"""The worker: the only loop, and the order that is the guarantee.

    HTTP ─▶ ingest ─▶ segment.events ─▶ 1 batch ─▶ 2 read ─▶ 3 collapse ─▶ 4 claim ─▶ 5 decide ─▶ 6 one transaction
                            ▲                                                │           results, rejections, offsets
                            └────────── 7 on any fault: go back ◀────────────┘

Owns the order of the steps and the reaction to each fault; the steps themselves are elsewhere. Invariant: an offset is
committed only together with the results of all records before it.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import structlog

from processor import metrics
from processor.backlog import Backlog
from processor.breaker import Breaker
from processor.errors import Aborted, ClaimsAway, ClaimsFull, Fatal, KafkaAway, SessionLost
from processor.health import STATE
from processor.outputs import Codecs
from processor.plan import Plan, Planner
from processor.ports import ClaimsPort, Session
from processor.records import Batch, Record
from processor.troubles import Pace
from schemas.topics import Topics
from schemas.workspace import Workspaces

# A session lost again and again is no accident: two workers with one slot take it from each other.
_MOST_SESSIONS, _SESSIONS_WITHIN_S = 5, 300.0
_ABORTED_PAUSE_S, _AWAY_PAUSE_S = 0.1, 1.0
_WAITS = 4  # of a paused source, between two questions whether Redis is back

log = structlog.get_logger()


class Worker:
    """Turns batches of raw events into interactions until it is stopped."""

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
        traced: Callable[[Sequence[Record]], AbstractContextManager[Any]] = nullcontext,
    ) -> None:
        """Take the dependencies; nothing is opened before `run`.

        Args:
            open_session: joins the group and creates a producer.
            claims: the day keys and trait clocks.
            workspaces: returns the current workspaces.
            topics: where results go.
            codecs: how they are encoded.
            breaker: stops the worker when nearly everything would be rejected.
            clock: seconds, monotonic.
            sleep: waits for some seconds.
            traced: traces what is done with a batch's records.
        """
        self._open_session, self._breaker = open_session, breaker
        self._planner = Planner(claims, workspaces=workspaces, topics=topics, codecs=codecs, breaker=breaker)
        self._clock, self._sleep, self._traced = clock, sleep, traced
        self._stopping, self._pace = False, Pace(clock)

    def stop(self) -> None:
        """Finish the current batch, then return from `run`. May be called from a signal handler."""
        self._stopping = True

    def run(self) -> None:
        """Work until stopped.

        Raises:
            Fatal: the worker cannot continue; what it has not committed is left to another.
        """
        began: list[float] = []
        while not self._stopping:
            now = self._clock()
            began = [*(then for then in began if now - then < _SESSIONS_WITHIN_S), now]
            STATE.looped()  # also while Kafka is away: a restart would not bring it back
            try:
                self._serve_session()
            except KafkaAway as error:
                began.pop()
                if self._pace.is_due("kafka.away"):
                    log.warning("kafka.away", error=str(error))
                self._sleep(_AWAY_PAUSE_S)
            except SessionLost as error:
                log.warning("session.lost", error=str(error), sessions=len(began))
                if len(began) >= _MOST_SESSIONS:
                    raise Fatal(
                        f"{len(began)} sessions were lost within {_SESSIONS_WITHIN_S:.0f} s, the last one by: {error}. "
                        "Is another worker running with this DAYMARK_SLOT?"
                    ) from error
                self._sleep(min(2.0 ** len(began) / 4, 5.0))

    def _serve_session(self) -> None:
        session = self._open_session()
        self._planner.begin(session.room_bytes)
        metrics.SESSIONS.inc()
        STATE.has_met_kafka = True
        backlog = Backlog(self._clock)
        try:
            while not self._stopping:
                STATE.looped()
                batch = session.source.next_batch()
                STATE.partitions = len(session.source.assigned)
                taken = 0
                if batch is None:
                    session.sink.poll()
                elif self._take(session, batch):
                    taken = len(batch.records)
                backlog.committed(taken)
        finally:
            session.source.close()
            session.sink.close()

    def _take(self, session: Session, batch: Batch) -> bool:
        """Take one batch through the steps; 1, the batch itself, is the caller's. Return whether it is committed.

        2. Read each record: an identify, with the properties that it sets, or a rejection. Pure.
        3. Collapse: of several events of one contact-day only the first asks for the claim, of several changes of one
           property only the newest for the clock. Pure.
        4. Claim, before any transaction is open, so that none waits for Redis.
        5. Decide: what is emitted, rejected, a duplicate, stale. Pure.
        6. One transaction: results, rejections, offsets. Nothing slow is done while it is open.
        7. Anything wrong after 1: go back to the batch's first offsets. Claims know their own.
        """
        try:
            with self._traced(batch.records):
                plan = self._planner.plan(batch)
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
            self._planner.committed(plan)
            self._count(plan, batch)
            return True
        return False

    def _count(self, plan: Plan, batch: Batch) -> None:
        """Count what is committed, and only that: the figures agree with the topics."""
        for result, events in plan.results.items():
            metrics.EVENTS.labels(result).inc(events)
        for result, changes in plan.traits.items():
            metrics.TRAITS.labels(result).inc(changes)
        metrics.UNKNOWN_WORKSPACE.inc(plan.unknown)
        metrics.BATCHES.labels("committed").inc()
        metrics.BATCH_RECORDS.observe(len(batch.records))
        metrics.LATENCIES.committed(batch.live)
        self._breaker.note(len(batch.records), len(batch.records) - plan.results["emitted"] - plan.results["duplicate"])

    def _await_claims(self, session: Session, error: ClaimsAway, batch: Batch) -> None:
        """Pause until Redis takes a batch's claims, as a member of the group all the while.

        The batch has been given back: it is only asked for again, its claims knowing their own. A ping would not do: a
        full store answers it. Nor is it asked for once its partitions have gone: a store that came back empty would
        take a claim for a record that another has committed meanwhile, perhaps as a duplicate.
        """
        log.error("claims.away", error=str(error), full=isinstance(error, ClaimsFull))
        STATE.is_paused = True
        session.source.pause()
        answered = False
        while not (answered or self._stopping):
            metrics.CLAIMS_FULL.set(isinstance(error, ClaimsFull))
            for _ in range(_WAITS):
                STATE.looped()
                session.source.wait()
            STATE.partitions = len(session.source.assigned)
            session.sink.poll()
            if not batch.partitions <= session.source.assigned:
                break
            try:
                self._planner.plan(batch)
            except ClaimsAway as again:
                error = again
            else:
                answered = True
        session.source.resume()
        STATE.is_paused = False
        metrics.CLAIMS_FULL.set(0)
        if answered:
            log.info("claims.back")
