"""Starts a program as a child that does not outlive us, and stops it.

Owns: one child at a time, its pid file and its output file. Does not: decide when to start it again.
Invariant: on Linux a child dies with the thread that started it (so start from one that stays); anywhere its pid file
shows the next owner of the folder what was left running.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from daymark.local import processes

_LEASH = Path(__file__).with_name("leash.py")


@dataclass(frozen=True, slots=True)
class Child:
    """A program that was started; it may have ended since."""

    process: subprocess.Popen[bytes]
    pid_file: Path

    @classmethod
    def start(
        cls, command: Sequence[str | Path], pid_file: Path, output: Path, environ: Mapping[str, str] | None = None
    ) -> Self:
        """Start a program in a separate session, so that Ctrl-C reaches only us.

        Args:
            command: Absolute path of the program, then its arguments.
            pid_file: Notes the process for the next owner.
            output: Both standard streams are appended to it.
            environ: The whole environment; None: ours.
        """
        with output.open("ab") as stream:
            process = subprocess.Popen(  # noqa: S603
                [sys.executable, "-I", "-S", str(_LEASH), str(os.getpid()), *map(str, command)],
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                env=environ,
                start_new_session=True,
            )
        processes.note(pid_file, process.pid)
        return cls(process, pid_file)

    @property
    def running(self) -> bool:
        """Whether the program still runs."""
        return self.process.poll() is None

    @property
    def ending(self) -> str:
        """How a program that has ended did so: "exit status 1", "killed by SIGKILL"."""
        status = self.process.poll()
        if status is None or status >= 0:
            return f"exit status {status}"
        return f"killed by {signal.Signals(-status).name}"

    def ask_to_stop(self) -> None:
        """Send SIGTERM and return at once."""
        if self.running:
            self.process.terminate()

    def stop(self, patience_s: float) -> int:
        """Stop the program: SIGTERM, after `patience_s` seconds SIGKILL.

        Returns:
            Its exit status; negative: the signal that ended it.
        """
        self.ask_to_stop()
        return self.wait(patience_s)

    def wait(self, seconds: float) -> int:
        """Wait for the program's end, kill it when that takes longer, and return its exit status."""
        try:
            status = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return self.kill()
        self.pid_file.unlink(missing_ok=True)
        return status

    def kill(self) -> int:
        """Kill the program, as a crash would, and return its exit status."""
        if self.running:
            self.process.kill()
        status = self.process.wait()
        self.pid_file.unlink(missing_ok=True)
        return status
