"""Who takes part in a run: workers, ingests and a guest among the workers; how each is started, and where.

Starts nobody: `fleet` does, when the run says so.
"""

from pathlib import Path
from typing import Final, NamedTuple

from daymark.local import ports
from tests.faults import load
from tests.faults.clock import Clock
from tests.faults.fleet import Fleet, Member, Start, program
from tests.faults.forkserver import ForkServer
from tests.faults.ground import Ground
from tests.faults.injection import aim_file
from tests.faults.schedule import Kind
from tests.flows import Road

MODES: Final = ("classic", "static", "consumer")
_PROCESS: Final = program("-m", "daymark", "process")
_STATIC_S, _TAKEN_OVER_S = 3.0, 2.0


class Options(NamedTuple):
    """How a run is made.

    `rate` is in events a second. `mode` is the membership: classic, static (a group instance id each) or consumer
    (KIP-848).
    `storm` kills workers in turn, one every `worker_every_s`, and does nothing else. `broken` names a deliberate fault
    in the protocol; `only` names kinds of faults: these in turn, and no others. `flows` has the kernel drop single
    flows, with time-outs so short that requests outlive them. `clocks` is the library that lets each clock be set. With
    `upgrade_every_s`, a node of Kafka is upgraded every so many seconds. `steady`: the last worker and the last ingest
    are not killed, and watched.
    """

    seed: int
    seconds: float
    rate: float
    mode: str
    session_s: float = 6.0
    workers: int = 4
    ingests: int = 2
    away_s: float = 20.0
    worker_every_s: float = 1.0
    storm: bool = False
    empties: bool = False
    broken: str = ""
    flows: bool = False
    only: tuple[Kind, ...] = ()
    clocks: Path | None = None
    upgrade_every_s: float = 0.0
    steady: bool = False

    @property
    def limit_s(self) -> float:
        """For how many seconds a killed worker's partitions may stand still.

        A static member's successor takes up its place at once; for others the group waits until the session is over.
        """
        return _STATIC_S if self.mode == "static" else self.session_s + _TAKEN_OVER_S


class Processes:
    """The processes of one run.

    All workers but the last can be aimed at; the last and the guest are as released, and so are all of a storm.
    """

    def __init__(self, options: Options, where: Ground, forkserver: ForkServer, road: Road, folder: Path) -> None:
        self._options, self._where, self._forkserver, self._road, self._folder = (
            options,
            where,
            forkserver,
            road,
            folder,
        )
        self.clocks: dict[str, Clock] = {}
        slots = [f"{road.topics.prefix}{number}" for number in range(options.workers)]
        self.workers = Fleet([self._worker(number, slot) for number, slot in enumerate(slots)])
        self.guest = self._member("guest", _PROCESS, self._slot_environ("guest", is_static=False))
        self.addresses = [f"{ports.LOOPBACK}:{ports.choose()}" for _ in range(options.ingests)]
        self.ingests = Fleet([self._ingest(number) for number in range(options.ingests)])
        ids = [f"daymark-{road.topics.prefix}{road.group}-{slot}" for slot in slots]
        self.coordinated = [road.group, *ids]  # the group, then the transactional ids

    def _worker(self, number: int, slot: str) -> Member:
        name = f"worker-{number}"
        aims = {
            "FAULTS_AIM": str(aim_file(self._folder, name)),
            "FAULTS_SHOTS": str(shots_file(self._folder)),
            "FAULTS_WORKER": name,
            "FAULTS_BREAK": self._options.broken,
        }
        start: Start = self._forkserver.fork_aimed
        if self._options.storm:  # a start of Python each second would take CPU that is the load's
            start = self._forkserver.fork_worker
        elif number == self._options.workers - 1 > 0 and not self._options.broken:
            start = _PROCESS
        return self._member(name, start, {**self._slot_environ(slot), **aims})

    def _slot_environ(self, slot: str, *, is_static: bool = True) -> dict[str, str]:
        options, where = self._options, self._where
        environ = {
            "DAYMARK_SLOT": slot,
            "DAYMARK_KAFKA": where.kafka_of_workers,
            "DAYMARK_REDIS": where.redis_of_workers,
            "DAYMARK_SESSION_TIMEOUT_MS": str(round(options.session_s * 1000)),
            "DAYMARK_TRANSACTION_TIMEOUT_MS": "6000" if options.flows else "10000",
            "DAYMARK_BATCH_RECORDS": "1000",
        }
        if options.mode == "static":
            # Who only visits says goodbye, which a static member never does.
            environ["DAYMARK_MEMBERSHIP"] = "static" if is_static else "dynamic"
            # Not cooperative: a static member that is killed between the two rebalances of a move comes back to the
            # assignment of the first, without a second, and what was to move belongs to nobody.
            environ["DAYMARK_ASSIGNOR"] = "range"
        if options.mode == "consumer":
            environ["DAYMARK_GROUP_PROTOCOL"] = "consumer"
        return environ

    def _ingest(self, number: int) -> Member:
        file = self._folder / "workspaces.toml"
        load.write_workspaces(file)
        environ = {
            "DAYMARK_KAFKA": self._where.kafka_of_ingest,
            "DAYMARK_WORKSPACES": str(file),
            "DAYMARK_HTTP": self.addresses[number],
        }
        return self._member(f"ingest-{number}", self._forkserver.fork_ingest, environ)

    def _member(self, name: str, start: Start, environ: dict[str, str]) -> Member:
        own = {variable: text for variable, text in self._road.environment.items() if variable.startswith("DAYMARK_")}
        if self._options.clocks is not None:
            self.clocks[name] = Clock(self._folder / f"{name}.clock")
            own |= self.clocks[name].environ(self._options.clocks)
        return Member(name, start, {**own, **environ}, self._folder)


def shots_file(folder: Path) -> Path:
    """Return where workers say that they are hit."""
    return folder / "shots"
