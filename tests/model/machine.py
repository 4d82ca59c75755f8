"""The state machine: workers in turn, and everything that can go wrong between two of their calls."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import ClassVar, Final

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from processor.errors import Aborted, ClaimsAway, ClaimsFull, KafkaAway, SessionLost
from schemas.lanes import BACKFILL
from tests.model.events import Event, events
from tests.model.fleet import PARTITIONS, SLOTS, Fleet, Life, Parts
from tests.model.promises import Promises
from tests.turns import Answer, Effect

_slots = st.sampled_from(SLOTS)
_partitions = st.integers(0, PARTITIONS - 1)
_cuts = st.lists(_partitions, min_size=1, max_size=4)
_calls = st.integers(1, 20)
# Between which calls something happens: where the worker is, or before one of these. Aimed, since chance hardly hits.
_both_lanes = st.sampled_from([*range(PARTITIONS), *(BACKFILL + partition for partition in range(PARTITIONS))])
_raw = st.tuples(_both_lanes, events())  # a partition is a contact's, unless their number was changed
_raws = st.lists(_raw, max_size=8)
_windows = st.sampled_from([None, "fill", "metadata", "claim", "produce", "offsets", "commit", "committed"])

_BATCH_CALLS = 16  # about what a batch takes, from the start of a process
_MOST_IDLE = 2  # polls that find nothing, after which something else is to happen
_LAST_BREATH = 30  # calls of a zombie at the end

# The calls that Kafka can fail, and those that it can abort.
_TRANSACTION: Final = ("produce", "offsets", "commit", "abort")
_KAFKA: Final = ("open", "init", "next_batch", "fill", "wait", "rewind", "close source", *_TRANSACTION)


class Workers(RuleBasedStateMachine):
    """Everything but a Redis that loses data."""

    parts: ClassVar[Parts] = Parts()
    steps: ClassVar[int] = 0

    def __init__(self) -> None:
        super().__init__()
        self.fleet = Fleet(self.parts)
        self.promises = Promises(self.fleet.kafka)
        self._is_sound = True

    @initialize(raw=st.lists(_raw, min_size=1, max_size=40))
    def begin(self, raw: Sequence[tuple[int, Event]]) -> None:
        """There are some raw events."""
        self.append(raw)

    @rule(slot=_slots, calls=_calls, cut=_cuts, raw=_raws)
    def work(self, slot: str, calls: int, cut: list[int], raw: Sequence[tuple[int, Event]]) -> None:
        """A worker goes on for some calls, its batches cut as told; before that, raw events come."""
        self.append(raw)
        self._run(self.fleet.life(slot), calls, Answer(cut=cut))

    @rule(slot=_slots, before=_windows, cut=_cuts)
    def work_until(self, slot: str, before: str | None, cut: list[int]) -> None:
        """A worker goes on until it is about to make a certain call."""
        self._run(self.fleet.life(slot), _BATCH_CALLS, Answer(cut=cut), before)

    @rule(turns=st.lists(_slots, min_size=1, max_size=30), cut=_cuts, raw=_raws)
    def take_turns(self, turns: list[str], cut: list[int], raw: Sequence[tuple[int, Event]]) -> None:
        """Workers go on in turn, call by call."""
        self.append(raw)
        for slot in turns:
            self._run(self.fleet.life(slot), 1, Answer(cut=cut))

    @rule(slot=_slots, calls=_calls, cut=_cuts)
    def drivers_try_again(self, slot: str, calls: int, cut: list[int]) -> None:
        """A worker goes on; its claims lose their first answers, its producer lost a broker before each transaction."""
        self._run(self.fleet.life(slot), calls, Answer(cut=cut, again=True, renews=True))

    @rule(slot=_slots, calls=_calls, cut=_cuts)
    def work_unaware(self, slot: str, calls: int, cut: list[int]) -> None:
        """A worker goes on without hearing what its group has to say."""
        self._run(self.fleet.life(slot), calls, Answer(cut=cut, deaf=True))

    @rule(slot=_slots, at=_windows, effect=st.sampled_from(["none", "half", "all", "late"]), aborts=st.booleans())
    def call_fails(self, slot: str, at: str | None, effect: Effect, aborts: bool) -> None:  # noqa: FBT001
        """A call fails after none, half or all of its effect, or has it later; where it can, it aborts."""
        life = self._come_to(slot, at)
        self._step(life, _failure(life.call, effect, aborts=aborts))

    @rule(slot=_slots, at=st.sampled_from(["offsets", "commit"]), aborts=st.booleans(), cut=_cuts, before=_windows)
    def request_is_repeated(self, slot: str, at: str, aborts: bool, cut: list[int], before: str | None) -> None:  # noqa: FBT001
        """A connection breaks, the driver repeats what was on it, and the first request arrives before a later call."""
        life = self._come_to(slot, at)
        if life.call in _TRANSACTION and aborts:
            self._step(life, Answer(Aborted("planned")))
        if life.call not in _TRANSACTION:
            return
        self._step(life, Answer(again=True))
        if before:
            self._run(life, _BATCH_CALLS, Answer(cut=cut), before)
        if self.fleet.kafka.on_their_way:
            _arrive(self.fleet.kafka.on_their_way.pop())
        self._check(self.promises.check)

    @rule(slot=_slots, at=_windows)
    def crash(self, slot: str, at: str | None) -> None:
        """A process ends at once; its session and its transaction stay until their time-outs, or its successor."""
        self.fleet.crash(self._come_to(slot, at))

    @rule(slot=_slots)
    def stop(self, slot: str) -> None:
        """A worker is asked to leave."""
        self.fleet.life(slot).stop()

    @rule(slot=_slots, at=_windows, driver_knows=st.booleans(), meanwhile=_windows)
    def session_ends(self, slot: str, at: str | None, driver_knows: bool, meanwhile: str | None) -> None:  # noqa: FBT001
        """The group takes a worker for dead, and another takes over; its driver hears of it, or only its next poll."""
        self._end_session(self._come_to(slot, at), driver_knows=driver_knows)
        self._come_to(next(other for other in SLOTS if other != slot), meanwhile)

    @rule(shares=st.lists(st.integers(0, 2), min_size=PARTITIONS, max_size=PARTITIONS))
    def rebalance(self, shares: list[int]) -> None:
        """The group shares its partitions out anew."""
        self.fleet.kafka.group.rebalance(shares)

    @rule()
    def the_dead_are_missed(self) -> None:
        """Sessions and transactions of those who are no more end by their time-outs."""
        self.fleet.bury()

    @rule(slot=_slots, at=_windows, driver_knows=st.booleans(), meanwhile=_windows)
    def freeze(self, slot: str, at: str | None, driver_knows: bool, meanwhile: str | None) -> None:  # noqa: FBT001
        """A process stops in the middle of something, is taken for dead and replaced."""
        self._end_session(self._come_to(slot, at), driver_knows=driver_knows)
        self.fleet.freeze(slot)
        self._come_to(slot, meanwhile)

    @precondition(lambda self: self.fleet.zombies)
    @rule(calls=_calls, cut=_cuts, deaf=st.booleans())
    def zombie_goes_on(self, calls: int, cut: list[int], deaf: bool) -> None:  # noqa: FBT001
        """The one that was replaced first goes on where it was."""
        self._run(self.fleet.zombies[0], calls, Answer(cut=cut, deaf=deaf))

    @rule(slot=_slots)
    def transaction_times_out(self, slot: str) -> None:
        """A transaction was open for too long."""
        self.fleet.kafka.time_out(slot)

    @precondition(lambda self: self.fleet.kafka.on_their_way or self.fleet.redis.on_their_way)
    @rule(newest=st.booleans())
    def late_request_arrives(self, newest: bool) -> None:  # noqa: FBT001
        """What nobody waits for any more takes effect, unless it is refused by now."""
        for requests in (self.fleet.kafka.on_their_way, self.fleet.redis.on_their_way):
            if requests:
                _arrive(requests.pop(-1 if newest else 0))
        self._check(self.promises.check)

    @rule(trouble=st.sampled_from([ClaimsAway, ClaimsFull]), times=st.integers(1, 4))
    def redis_is(self, trouble: type[ClaimsAway], times: int) -> None:
        """Redis is unavailable or full for the next calls."""
        self.fleet.redis.troubles = [trouble("planned") for _ in range(times)]

    @rule(
        back=st.lists(st.integers(0, 5), min_size=PARTITIONS, max_size=PARTITIONS),
        workers=st.sampled_from(["crash", "freeze", "lose their sessions"]),
    )
    def reset_group(self, back: list[int], workers: str) -> None:
        """The group is reset to some records back, as Kafka allows it: without members, without transactions."""
        kafka = self.fleet.kafka
        for slot in filter(self.fleet.is_running, SLOTS):
            if workers == "crash":
                self.fleet.crash(self.fleet.life(slot))
            elif workers == "freeze":
                self.fleet.freeze(slot)
        for member in list(kafka.group.members):
            kafka.group.drop(member)
        for slot in SLOTS:
            kafka.time_out(slot)
        for partition, records in enumerate(back):
            kafka.committed[partition] = max(kafka.committed.get(partition, 0) - records, 0)

    def append(self, raw: Sequence[tuple[int, Event]]) -> None:
        for partition, event in raw:
            record = self.fleet.kafka.append(event.body, partition, event.workspace)
            self.promises.append(record, event)

    def teardown(self) -> None:
        """Mend everything, let the workers finish, and check without any indulgence."""
        try:
            if self._is_sound:
                self._mend()
                self._check(lambda: self.fleet.run_dry(self._count))
                self._check(self.promises.check_end)
        finally:
            self.fleet.crash_all()

    def _mend(self) -> None:
        self.fleet.redis.troubles.clear()
        for requests in (self.fleet.kafka.on_their_way, self.fleet.redis.on_their_way):
            while requests:
                _arrive(requests.pop(0))
        for zombie in list(self.fleet.zombies):
            self._run(zombie, _LAST_BREATH, Answer())
            self.fleet.crash(zombie)

    def _come_to(self, slot: str, at: str | None) -> Life:
        """Let a worker go on until it is about to make a certain call; None: it is there."""
        if at:
            self._run(self.fleet.life(slot), _BATCH_CALLS, Answer(), at)
        return self.fleet.life(slot)

    def _run(self, life: Life, calls: int, answer: Answer, until: str | None = None) -> None:
        idle = 0
        for _ in range(calls):
            before = life.call
            if before == until or idle > _MOST_IDLE or not self._step(life, answer):
                return
            idle = idle + 1 if before == life.call == "next_batch" else 0
            if idle == _MOST_IDLE:  # time passes: sessions and transactions of the dead come to their end
                self.fleet.bury()

    def _step(self, life: Life, answer: Answer) -> bool:
        goes_on = False

        def go_on() -> None:
            nonlocal goes_on
            goes_on = self.fleet.go_on(life, answer)
            self._count()

        self._check(go_on)
        return goes_on

    def _count(self) -> None:
        type(self).steps += 1
        self.promises.check()

    def _check(self, check: Callable[[], None]) -> None:
        try:
            check()
        except BaseException:
            self._is_sound = False
            raise

    def _end_session(self, life: Life, *, driver_knows: bool) -> None:
        group, member = self.fleet.kafka.group, life.member
        group.drop(member)
        if driver_knows and member is not None:
            group.aware.add(member)


class WorkersOverALossyRedis(Workers):
    """Redis loses its data: the ids stay the same, and nothing is lost."""

    @rule(writes=st.integers(1, 12) | st.just(1 << 20))
    def redis_loses(self, writes: int) -> None:
        """A replica takes over that has not heard of the newest writes; or Redis comes back empty."""
        if self.fleet.redis.fail_over(writes):
            self.promises.redis_lost_keys()


def _failure(call: str, effect: Effect, *, aborts: bool) -> Answer:
    if call == "claim":
        return Answer(ClaimsFull("planned") if aborts else ClaimsAway("planned"), effect)
    if call in _TRANSACTION and aborts:
        # A commit that took effect is never said to be aborted.
        return Answer(Aborted("planned"), "none" if call in {"commit", "abort"} else effect)
    if call in _KAFKA:
        return Answer(SessionLost("planned") if aborts else KafkaAway("planned"), effect)
    return Answer()


def _arrive(request: Callable[[], object]) -> None:
    with suppress(Aborted, SessionLost):
        request()
