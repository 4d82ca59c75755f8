"""`daymark process` with faults at its steps: `python -m tests.faults.aimed`, in the environment of a worker.

FAULTS_AIM is a file: while it is there, the worker takes it with its next batch and stops or kills itself as it says,
"STEP VISIT ACT". FAULTS_SHOTS is where it says so before, a line each. FAULTS_BREAK breaks the protocol on purpose.
"""

import os
import random
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

_WAKES_WITHIN_S = 1.0
_WITHIN_S = {"claiming": 0.004, "committing": 0.02}  # steps that are one call of the world: hit while it goes on


class Aim:
    """Where this worker is to be hit next."""

    def __init__(self, file: Path, shots: Path, worker: str) -> None:
        self._file, self._shots, self._worker = file, shots, worker
        self._step, self._visits, self._act = "", 0, ""
        self._produced = 0

    def take(self) -> None:
        """Look whether there is an aim, once for a batch."""
        if self._step:
            return
        taken = self._file.with_suffix(".taken")
        with suppress(FileNotFoundError):
            self._file.rename(taken)
            self._step, visits, self._act = taken.read_text().split()
            self._visits = int(visits)

    def visit(self, step: str) -> None:
        """Be at a step."""
        if step != self._step:
            return
        self._visits -= 1
        if self._visits > 0:
            return
        self._step = ""
        within_s = _WITHIN_S.get(step)
        if within_s is None:
            self._shoot(step)
        else:
            threading.Timer(random.uniform(0, within_s), self._shoot, [step]).start()

    def visit_producing(self) -> None:
        """Be at a result that is produced: one in many counts."""
        self._produced += 1
        if self._produced % 97 == 0:
            self.visit("producing")

    def _shoot(self, step: str) -> None:
        line = f"{self._worker} {os.getpid()} {step} {self._act}\n"
        shots = os.open(self._shots, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(shots, line.encode())
        os.close(shots)
        os.kill(os.getpid(), signal.SIGKILL if self._act == "kill" else signal.SIGSTOP)
        # Here again: a zombie. What it does next finds the driver at work in the background, or done with losing the
        # session, which has its own dangers: the group's metadata are blank then, and the broker takes those.
        time.sleep(random.uniform(0, _WAKES_WITHIN_S))


def _around(owner: type, name: str, before: Callable[[], None], after: Callable[[Any], None]) -> None:
    """Put something before and after a method."""
    method = getattr(owner, name)

    def wrapped(*arguments: Any, **named: Any) -> Any:
        before()
        result = method(*arguments, **named)
        after(result)
        return result

    setattr(owner, name, wrapped)


def place(aim: Aim) -> None:
    """Put an aim's visits around the steps of the worker."""
    from confluent_kafka import Producer  # noqa: PLC0415  after the handler of SIGTERM is there

    from processor.claims import Claims  # noqa: PLC0415
    from processor.sink import Sink  # noqa: PLC0415
    from processor.source import Source  # noqa: PLC0415

    def batched(batch: object) -> None:
        if batch is not None:
            aim.take()
            aim.visit("batched")

    def at(step: str) -> Callable[..., None]:
        return lambda *_: aim.visit(step)

    def nothing(*_: object) -> None:
        pass

    def before_claim() -> None:
        aim.visit("read")
        aim.visit("claiming")

    class AimedProducer(Producer):
        """A producer that can be hit."""

        def produce(self, *arguments: Any, **named: Any) -> None:
            aim.visit_producing()
            super().produce(*arguments, **named)

    _around(AimedProducer, "begin_transaction", nothing, at("begun"))
    _around(AimedProducer, "send_offsets_to_transaction", at("produced"), at("offsets"))
    _around(AimedProducer, "commit_transaction", at("committing"), at("committed"))
    _around(Source, "next_batch", at("polling"), batched)
    _around(Claims, "claim", before_claim, at("claimed"))
    _around(Source, "committed", nothing, at("noted"))
    Sink.__init__.__defaults__ = (AimedProducer, time.monotonic)  # what it makes its producer with


def main() -> None:
    """Run the worker."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # until the command's own is there
    environ = os.environ
    if broken := environ.get("FAULTS_BREAK"):
        from tests.faults import breaks  # noqa: PLC0415

        breaks.BREAKS[broken].make()
    place(Aim(Path(environ["FAULTS_AIM"]), Path(environ["FAULTS_SHOTS"]), environ["FAULTS_WORKER"]))
    from daymark import cli  # noqa: PLC0415

    sys.argv = ["daymark", "process"]
    sys.exit(cli.main())


if __name__ == "__main__":
    main()
