"""The connections of one producer: has one failed, so that a request of a transaction may arrive late or twice?

librdkafka keeps one producer epoch from transaction to transaction, and retries a request (such as an EndTxn) whose
connection broke or that timed out. It reports that only in its log. The original request, delayed in transit, is still
valid under that epoch and would end the next transaction. So the log is watched (docs/late-requests.md has the proof):

- `FAIL`: a connection broke. Logged by the broker thread before it hands the requests on that connection back to be
  retried, so the line is in the producer's queue before the retry can be answered.
- `REQTMOUT`: a request timed out. Logged before that request is handed back, likewise.

Invariant: once `failed`, always: librdkafka suppresses the third identical line of a broker within 30 s, but never
the first one of a producer. Only a new producer, with a new epoch, starts clean.
"""

from collections.abc import Mapping
from typing import Any, Final

import structlog

from processor.troubles import DriverError, Troubles

# A connection closed while idle is logged as debug: nothing was under way on it. The rest is at most info, level 6.
CONFIG: Final[Mapping[str, Any]] = {"log_level": 6, "log.connection.close": True}

REPEATS: Final = {"FAIL", "REQTMOUT"}
_LOST_BROKER: Final = {"_TRANSPORT", "_ALL_BROKERS_DOWN", "_RESOLVE"}
_DEBUG, _CRITICAL = 10, 50  # of Python's logging, to whose levels the driver's are mapped

log = structlog.get_logger()


class Connections:
    """Listens to one producer: the driver calls it from within `poll` and `flush`. It never raises."""

    def __init__(self, troubles: Troubles) -> None:
        self.failed = False
        self._troubles = troubles

    def config(self) -> dict[str, Any]:
        """Return the settings that make a producer report here."""
        return {**CONFIG, "error_cb": self.on_error, "logger": self}

    def on_error(self, error: DriverError) -> None:
        """Note an error that the driver reports outside of any call."""
        if error.name() in _LOST_BROKER:
            self._fail(error.name(), error.str())
        self._troubles.note(error)

    def log(self, level: int, _form: str, facility: str, _client: str, line: str) -> None:
        """Note a line of the driver's log, handed over as to `logging.Logger.log`."""
        if level <= _DEBUG:  # with DAYMARK_KAFKA_DEBUG alone; what is failed on purpose or while idle is in there, too
            log.info("kafka.driver", facility=facility, line=line)
        elif facility in REPEATS:
            self._fail(facility, line)
        elif level >= _CRITICAL:
            log.error("kafka.driver_failed", facility=facility, line=line)

    def _fail(self, sign: str, line: str) -> None:
        if not self.failed:
            log.warning("producer.doubtful", sign=sign, line=line)
        self.failed = True
