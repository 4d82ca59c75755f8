"""One run: load, the faults of a seed's plan, all of it undone, everything committed, the audit.

The loop is a thin shell: it strikes what is due, undoes what is over and starts what has ended.
"""

import math
import re
import secrets
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from confluent_kafka import KafkaException

from daymark.cli import COMMANDS
from schemas.topics import PARTITIONS, Topics
from tests.faults import ground, judge, load, recovery, schedule, vitals
from tests.faults.breaks import BREAKS
from tests.faults.coordinator import Coordinator
from tests.faults.fleet import Member
from tests.faults.forkserver import ForkServer
from tests.faults.ground import Ground
from tests.faults.injection import Injector, Undo, aim_file
from tests.faults.processes import Options, Processes, shots_file
from tests.faults.recovery import Killed, Watch, held
from tests.faults.schedule import SEEN, Fault, Kind, Scope
from tests.faults.tally import Tally
from tests.faults.vitals import Vitals
from tests.flows import Road
from tests.made import make

_EVERY_S = 0.02
_SAY_EVERY_S = 10.0
_LOOK_EVERY_S = 10.0  # at what is watched in a soak
_KEEPS = 10_000  # advances of a partition in a soak, which may take days
_SETTLE_S = 180.0
_SHOWS_AFTER = 3  # so many faults of a kind leave a trace, even if one of them met nobody
_KEEPS_UP_S = 0.25  # a fleet this close to the stream's end has nothing left of its start to catch up with
_WORDS = re.compile(
    rb'"event": "((?:batch\.(?:aborted|dropped)|session\.lost|kafka\.away|claims\.away|worker\.(?:failed|crashed)'
    rb"|partitions\.lost))\""
)


class Run:
    """One run on parts that stand."""

    def __init__(
        self, options: Options, where: Ground, forkserver: ForkServer, folder: Path, say: Callable[[str], None]
    ) -> None:
        self._options, self._where, self._folder, self._say = options, where, folder, say
        self._topics = Topics(f"faults{options.seed}-{secrets.token_hex(3)}.")
        self._road = Road(where.kafka, where.redis, self._topics, secrets.token_bytes(16))
        self._tally = Tally(runs=1, seconds=options.seconds)
        self._undos: list[tuple[float, Undo]] = []
        self._killed: list[tuple[str, Killed]] = []  # each with the client that it was
        self._since: dict[str, int] = {}  # where the log of a worker's present life begins
        self._shots = shots_file(folder)
        self._shots.touch()
        self._shots_read = 0
        self._stops: dict[str, float] = {}  # how long an aimed stop of a worker lasts
        self._processes = Processes(options, where, forkserver, self._road, folder)
        self._workers, self._ingests, self._guest = (
            self._processes.workers,
            self._processes.ingests,
            self._processes.guest,
        )
        self._injector = Injector(
            where,
            self._workers,
            self._ingests,
            self._guest,
            coordinated=self._processes.coordinated,
            topics=[topic.name for topic in self._topics.all()],
            clocks=list(self._processes.clocks.values()),
            folder=folder,
        )
        self._vitals = self._watched() if options.steady else None

    def make(self) -> Tally:
        """Make it."""
        options, where, topics = self._options, self._where, self._topics
        make(where.kafka, topics.all(), PARTITIONS)
        watch = Watch(where.kafka, topics, self._road.group, PARTITIONS, keeps=_KEEPS if options.steady else None)
        coordinator = None if options.steady else Coordinator(where.kafka, self._road.group, topics.events)
        # A storm begins when the workers keep up: until then the stream flows, and it must outlast the last kill.
        events = round(options.rate * (options.seconds + (_SETTLE_S if options.storm else 0)))
        most = options.rate * _KEEPS_UP_S
        self._workers.start()
        self._ingests.start()
        stream = load.Stream(where.kafka, topics.events, options.rate, load.plan(options.seed, events, invalid=0.02))
        threads, pause_s = (1, load.BATCH / options.rate) if options.steady else (4, 0.2)
        sender = load.Sender(
            self._processes.addresses,
            load.plan(-options.seed, events, invalid=0),
            threads if options.ingests else 0,
            pause_s,
        )
        try:
            if options.storm:
                self._wait(lambda: watch.moves and stream.sent - watch.committed < most, "the workers keep up")
            self._strike_all(stream, watch)
            stream.end()
            sender.end()
            self._say("all faults are undone")
            self._wait(lambda: stream.done and sender.done, "everything sent has arrived")
            self._wait(lambda: _is_settled(watch), "the group has committed everything")
        except AssertionError as error:
            self._tally.troubles.append(
                f"seed {options.seed}: {error}; records to commit, by partition: {watch.lags()}"
            )
        finally:
            self._undo_all()
            sender.give_up()
            watch.end()
            if coordinator is not None:
                coordinator.end()
            self._workers.end()
            self._ingests.end()
            self._guest.ask_to_end()
            self._guest.wait_ended()
        self._conclude(watch, coordinator, sender)
        ground.remove_topics(where, topics)
        return self._tally

    def _watched(self) -> Vitals:
        """Watch those who live through all of it: the last of each."""
        spared = (self._workers.members[-1], *self._ingests.members[-1:])
        pids = {member.name: partial(getattr, member, "pid") for member in spared}
        folders = {"logs of processes": self._folder} | ({"Kafka": self._where.data} if self._where.data else {})
        return Vitals(pids, folders, self._where.redis, _LOOK_EVERY_S)

    def _strike_all(self, stream: load.Stream, watch: Watch) -> None:
        options = self._options
        faults = self._faults()
        began = said = time.monotonic()
        while (now := time.monotonic()) < began + options.seconds:
            while faults and began + faults[0].at_s <= now:
                self._strike(faults.pop(0), now)
            self._look(now)
            self._tally.most_behind = max(self._tally.most_behind, stream.sent - watch.committed)
            if now - said >= _SAY_EVERY_S:
                said = now
                # If ingest adds events, the number that is yet to be committed is unknown.
                behind = "" if options.ingests else f", {stream.sent - watch.committed:,} of them to commit"
                done = f"{now - began:.0f} of {options.seconds:.0f} s"
                self._say(f"{done}: {self._kills()} kills, {stream.sent:,} events{behind}")
            time.sleep(_EVERY_S)
        self._undo_all()
        if self._where.cluster is not None:
            self._where.cluster.wait_ready()
        if self._where.valkey is not None:
            self._where.valkey.wait_ready()
        for member in self._injector.aims():
            aim_file(self._folder, member.name).unlink(missing_ok=True)

    def _undo_all(self) -> None:
        for _, undo in self._undos:
            undo()
        self._undos.clear()

    def _strike(self, fault: Fault, now: float) -> None:
        if fault.kind is Kind.AIMED_STOP:
            aims = self._injector.aims()
            self._stops[aims[fault.target % len(aims)].name] = fault.lasts_s
        if fault.kind is Kind.KILL:
            self._note_kill(self._workers.members[fault.target % len(self._workers.members)], now)
        undo = self._injector.strike(fault)
        if undo is not None:
            self._undos.append((now + fault.lasts_s, undo))

    def _look(self, now: float) -> None:
        """Undo what is over, see what was hit, and start what has ended."""
        over = [undo for at, undo in self._undos if at <= now]
        self._undos = [(at, undo) for at, undo in self._undos if at > now]
        for undo in over:
            undo()
        self._see_shots(now)
        if self._vitals is not None:
            self._vitals.look(now)
        for member in self._workers.members:
            was = member.pid
            member.look()
            if member.pid != was and member.pid is not None:
                self._since[member.name] = member.log.stat().st_size
        self._ingests.look()
        self._guest.look()

    def _see_shots(self, now: float) -> None:
        with self._shots.open("rb") as file:
            file.seek(self._shots_read)
            lines = file.read()
            self._shots_read = file.tell()
        for line in lines.decode().splitlines():
            name, pid, step, act = line.split()
            member = next(member for member in self._workers.members if member.name == name)
            self._tally.steps[f"{step}: {act}"] += 1
            if act == "kill":
                self._tally.faults[Kind.AIMED_KILL] += 1
                self._note_kill(member, now)
            else:
                self._tally.faults[Kind.AIMED_STOP] += 1
                self._undos.append((now + self._stops.get(name, 8.0), partial(member.wake, int(pid))))

    def _note_kill(self, member: Member, now: float) -> None:
        if member.running or member.log.exists():
            partitions = held(member.log, self._since.get(member.name, 0))
            self._killed.append((member.client, Killed(now, dict.fromkeys(sorted(partitions), now))))

    def _kills(self) -> int:
        done = self._injector.done
        return done[Kind.KILL] + done[Kind.INGEST_KILL] + self._tally.faults[Kind.AIMED_KILL]

    def _wait(self, condition: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + _SETTLE_S
        while not condition():
            assert time.monotonic() < deadline, f"in {_SETTLE_S:.0f} s it did not come true that {what}"
            self._look(time.monotonic())
            time.sleep(0.2)

    def _conclude(self, watch: Watch, coordinator: Coordinator | None, sender: load.Sender) -> None:
        tally, options = self._tally, self._options
        tally.faults.update({str(kind): count for kind, count in self._injector.done.items()})
        tally.links.update({f"{kind}: {name}": count for (kind, name), count in self._injector.links.items()})
        tally.answers.update(sender.answers)
        self._note_seen()
        self._note_words()
        if coordinator is not None:
            self._judge_recovery(watch, coordinator)
        tally.longest_gap_s = watch.longest_gap()
        truth, finding = judge.judge(self._where.kafka, self._topics)
        tally.note(finding)
        if self._vitals is not None:
            tally.vitals, troubles = vitals.judge(self._vitals, claims=len(truth.firsts), clocks=len(truth.newest))
            tally.troubles += troubles
        tally.acknowledged = len(set(sender.accepted))
        tally.acknowledged_lost = judge.missing(truth, load.HTTP_WORKSPACE, sender.accepted)
        if not finding.is_clean(emptied=options.empties):
            tally.troubles.append(f"seed {options.seed} ({options.mode}): {finding}")
        if tally.acknowledged_lost:
            tally.troubles.append(f"seed {options.seed}: {tally.acknowledged_lost} answered 200 are lost")
        if "audit" in COMMANDS and not options.empties:
            self._audit()

    def _note_seen(self) -> None:
        """Note what shows that faults happened; several that left no trace were none."""
        seen, done = self._injector.seen, self._injector.done
        seen[Kind.CLOCK] = sum(each.wrong_reads() for each in self._processes.clocks.values())
        self._tally.seen.update({str(kind): count for kind, count in seen.items() if count})
        self._tally.troubles += [
            f"seed {self._options.seed}: {kind}, {done[kind]} times, but nothing shows it"
            for kind in SEEN
            if done[kind] >= _SHOWS_AFTER and not seen[kind]
        ]

    def _judge_recovery(self, watch: Watch, coordinator: Coordinator) -> None:
        tally, options = self._tally, self._options
        kills = [
            Killed(kill.at, {**coordinator.given(client, kill.at), **kill.partitions}) for client, kill in self._killed
        ]
        found = recovery.judge(kills, watch.advances, options.limit_s)
        tally.recovery_s = [seconds for seconds in found.seconds if seconds < math.inf]
        tally.late, tally.cut_short, tally.empty_handed = len(found.late), found.cut_short, found.empty
        if options.storm:
            tally.troubles += [f"seed {options.seed}: {late}; {options.limit_s:g} s are allowed" for late in found.late]

    def _note_words(self) -> None:
        for member in (*self._workers.members, *self._ingests.members, self._guest):
            kind = re.sub(r"-\d+$", "", member.name)
            self._tally.ends.update({f"{kind} exit {status}": count for status, count in member.ends.items()})
            if member.log.exists():
                self._tally.said.update(word.decode() for word in _WORDS.findall(member.log.read_bytes()))
        if self._tally.said["worker.crashed"]:
            self._tally.troubles.append(f"a worker met a fault in Daymark itself: see {self._folder}")

    def _audit(self) -> None:
        """Let `daymark audit` look at the same."""
        command = [sys.executable, "-m", "daymark", "audit", "--json", "--no-replays"]
        done = subprocess.run(command, env=self._road.environment, capture_output=True, text=True, check=False)
        (self._folder / "audit.json").write_text(done.stdout + done.stderr)
        self._tally.audits += 1
        if done.returncode:
            self._tally.troubles.append(f"daymark audit exits {done.returncode}: {(done.stdout + done.stderr)[-2000:]}")

    def _faults(self) -> list[Fault]:
        options = self._options
        if options.storm:
            return schedule.storm(options.seconds - options.limit_s, options.worker_every_s, options.workers)
        if options.only:
            return schedule.drill(options.seed, options.seconds, self._scope(), options.only, schedule.STEPS)
        if options.broken:
            wants = BREAKS[options.broken]
            return schedule.drill(options.seed, options.seconds, self._scope(), wants.kinds, wants.steps)
        return schedule.plan(options.seed, options.seconds, self._scope())

    def _scope(self) -> Scope:
        options, where = self._options, self._where
        return Scope(
            workers=options.workers - options.steady,
            ingests=options.ingests - options.steady,
            nodes=3 if where.cluster else 0,
            links=len(where.links),
            own_store=where.valkey is not None,
            session_s=options.session_s,
            worker_every_s=options.worker_every_s,
            away_s=options.away_s,
            empties=options.empties,
            catches=bool(where.trapped) and not options.empties,
            flows=options.flows,
            clocks=options.clocks is not None,
            disks=bool(where.disks),
            upgrade_every_s=options.upgrade_every_s,
        )


def _is_settled(watch: Watch) -> bool:
    try:
        return not watch.lags()
    except KafkaException:
        return False
