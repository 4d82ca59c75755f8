"""A transactional producer as librdkafka has it: one epoch for many transactions, requests retried in silence.

Its calls are those that `processor.sink` makes. Known traits, kept: a call whose time is up goes on and is resumed by
the next; a request whose connection broke is sent again, and only the log says so; `send_offsets_to_transaction` may
wait without end for a coordinator whose connection broke (librdkafka issues 5456 and 5511).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from confluent_kafka import KafkaException

from processor.records import Output
from tests.world.client import INFO, Client, Operation, failed
from tests.world.cluster import Cluster
from tests.world.kernel import Event, Process
from tests.world.reader import numbered
from tests.world.requests import (
    AddOffsetsToTxn,
    AddPartitionsToTxn,
    EndTxn,
    InitProducerId,
    Membership,
    Produce,
    Refused,
    TxnOffsetCommit,
)

_LINGER_S: Final = 0.005
_FENCED: Final = {"INVALID_PRODUCER_EPOCH", "PRODUCER_FENCED"}
Place = tuple[str, int]


class WorldProducer:
    """The part of confluent_kafka.Producer that a worker uses."""

    def __init__(self, config: Mapping[str, Any], process: Process, cluster: Cluster) -> None:
        self._tid, self._timeout_s = config["transactional.id"], config["transaction.timeout.ms"] / 1000
        self._client = Client(process, cluster, "producer", config["socket.timeout.ms"] / 1000, 0.01)
        self._cluster, self._kernel, self._logger = cluster, cluster.kernel, config["logger"]
        self._pid = self._epoch = -1
        self._call: tuple[str, Operation] | None = None  # that is under way
        self._fatal: KafkaException | None = None
        self._abortable: KafkaException | None = None
        self._is_open = self._needs_epoch = False
        self._waiting: dict[Place, list[Output]] = {}
        self._added: set[Place] = set()
        self._sequences: dict[Place, int] = {}
        self._has_offsets = self._is_sending = False
        self._sent = Event()

    def poll(self, _timeout: float = 0) -> int:
        """Serve the log, and raise what is fatal."""
        logged, self._client.logged = self._client.logged, []
        for facility, line in logged:
            self._logger.log(INFO, "%s %s %s", facility, self._tid, line)
        if self._fatal is not None:
            raise self._fatal
        return 0

    def purge(self) -> None:
        """Drop what was not sent."""
        self._waiting = {}

    def flush(self, _timeout: float = -1) -> int:
        """Serve the log; only called before the producer is dropped."""
        self._client.close()
        return 0

    def init_transactions(self, timeout: float) -> None:
        """Get an id and an epoch."""
        self._resume("init", self._init, timeout)

    def begin_transaction(self) -> None:
        """Begin; nothing is sent."""
        if self._fatal or self._abortable:
            raise self._fatal or self._abortable  # type: ignore[misc]
        if self._is_open:
            raise failed("_STATE")
        self._is_open, self._has_offsets, self._added = True, False, set()

    def produce(self, topic: str, value: bytes, key: bytes | None, partition: int, **_: Any) -> None:
        """Queue a record."""
        if self._fatal or self._abortable or not self._is_open:
            raise failed("_STATE")
        output = Output(topic, key, value, None if partition < 0 else partition)
        self._waiting.setdefault((topic, max(partition, 0)), []).append(output)
        self._send_soon()

    def send_offsets_to_transaction(self, offsets: Sequence[Any], membership: Membership, timeout: float) -> None:
        """Add the group's offsets."""
        found = {numbered(there): there.offset for there in offsets}
        self._resume(
            "offsets", lambda: self._offsets(found, membership), timeout, hangs=True
        )  # the time-out is ignored

    def commit_transaction(self, timeout: float) -> None:
        """Wait for what was produced, and commit."""
        self._resume("commit", lambda: self._end(commit=True), timeout)

    def abort_transaction(self, timeout: float) -> None:
        """Abort."""
        self._waiting = {}
        self._resume("abort", self._abort, timeout)

    # What goes on in the background.

    def _resume(self, name: str, body: Callable[[], Any], timeout: float, *, hangs: bool = False) -> None:
        if self._fatal:
            raise self._fatal
        if self._abortable and name != "abort":
            raise self._abortable
        if self._call is None or self._call[0] != name:
            if self._call is not None and name != "abort":
                raise failed("_PREV_IN_PROGRESS")
            self._call = (name, Operation(self._client, body))
        call = self._call[1]
        if not call.wait(None if hangs else timeout):
            raise failed("_TIMED_OUT", retriable=True)
        self._call = None
        if call.error is not None:
            raise call.error

    def _init(self) -> None:
        pid, epoch = (self._pid, self._epoch) if self._needs_epoch else (-1, -1)
        self._pid, self._epoch = self._ask(InitProducerId(self._tid, self._timeout_s, pid, epoch))
        self._sequences, self._needs_epoch = {}, False

    def _send_soon(self) -> None:
        if not self._is_sending:
            self._is_sending, self._sent = True, Event()
            self._client.spawn(self._send)

    def _send(self) -> None:
        self._kernel.sleep(_LINGER_S)
        try:
            while self._waiting and self._fatal is None and self._abortable is None:
                batches, self._waiting = self._waiting, {}
                if new := [place for place in batches if place not in self._added]:
                    self._ask(AddPartitionsToTxn(self._tid, self._pid, self._epoch, new))
                    self._added.update(new)
                for place, records in batches.items():
                    sequence = self._sequences.get(place, 0)
                    self._needs_epoch = True  # until it is answered: a number may be used or not
                    self._ask(Produce(self._tid, self._pid, self._epoch, place, sequence, records))
                    self._sequences[place], self._needs_epoch = sequence + len(records), False
        except KafkaException:
            pass  # kept for the next call
        finally:
            self._is_sending = False
            self._kernel.set(self._sent)

    def _flushed(self) -> None:
        while self._is_sending:
            self._kernel.wait(self._sent)
        if self._abortable:
            raise self._abortable
        if self._fatal:
            raise self._fatal

    def _offsets(self, offsets: Mapping[int, int], membership: Membership) -> None:
        self._ask(AddOffsetsToTxn(self._tid, self._pid, self._epoch))
        self._has_offsets = True
        self._hang_if_lost()
        self._ask(TxnOffsetCommit(self._tid, self._pid, self._epoch, membership, offsets))

    def _hang_if_lost(self) -> None:
        """Wait for ever if the node that was asked last has gone: it stays the group's coordinator to the driver."""
        node = self._client.known.get(("group", 0))
        if node is not None and not node.up:
            self._kernel.wait(Event())

    def _end(self, *, commit: bool) -> None:
        if commit:
            self._flushed()
        if self._added or self._has_offsets:
            self._ask(EndTxn(self._tid, self._pid, self._epoch, commit))
        self._is_open = False

    def _abort(self) -> None:
        while self._is_sending:
            self._kernel.wait(self._sent)
        if self._needs_epoch:
            self._init()
        elif self._added or self._has_offsets:
            self._ask(EndTxn(self._tid, self._pid, self._epoch, commit=False))
        self._is_open, self._abortable = False, None

    def _ask(self, request: Any) -> Any:
        """Ask, and keep what ends the transaction or the producer."""
        try:
            return self._client.ask(request)
        except Refused as refused:
            is_fatal = not isinstance(request, Produce | TxnOffsetCommit) and not (
                isinstance(request, AddPartitionsToTxn | AddOffsetsToTxn)
                and refused.code == "INVALID_PRODUCER_ID_MAPPING"
            )
            if isinstance(request, TxnOffsetCommit) and refused.code in _FENCED:
                is_fatal = True
            if is_fatal:
                code = "_FENCED" if refused.code in _FENCED else refused.code
                self._fatal = failed(code, fatal=True)
                raise self._fatal from refused
            if isinstance(request, Produce):
                self._needs_epoch = True
            self._abortable = failed(refused.code, abort=True)
            raise self._abortable from refused
