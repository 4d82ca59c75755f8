"""A worker that stops between its claims and its commit: it says "claimed" and waits, with --continue for SIGCONT."""

import signal
import sys
import time
from collections.abc import Sequence

from daymark.setting_types import Address
from daymark.settings import from_environment
from daymark.worker_wiring import serve
from processor.errors import Fault
from processor.records import Batch, Output
from processor.sink import Sink

commit = Sink.commit
continued = False


def note(*_: object) -> None:
    global continued  # noqa: PLW0603
    continued = True


def commit_late(self: Sink, outputs: Sequence[Output], batch: Batch) -> None:
    sys.stdout.write("claimed\n")
    sys.stdout.flush()
    while not continued:
        time.sleep(0.01)
    try:
        commit(self, outputs, batch)
    except Fault as fault:
        sys.stdout.write(f"commit refused: {fault!r}\n")
        sys.stdout.flush()
        raise


if "--continue" in sys.argv:
    signal.signal(signal.SIGCONT, note)
Sink.commit = commit_late  # type: ignore[method-assign]
serve(from_environment(), Address("127.0.0.1", 0), lambda _: None, lambda: False)
