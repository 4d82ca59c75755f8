"""What a consumer's driver reports besides records: transient errors are logged, others raised as faults."""

from collections.abc import Mapping

from processor.errors import Fatal, Fault, Retriable, classify, describe
from processor.troubles import DriverError, Troubles


class Heard:
    """The reports of one consumer's driver."""

    def __init__(self, names: Mapping[str, str]) -> None:
        """Begin with none; `names` are those that `describe` shows."""
        self._names, self._troubles = names, Troubles("consumer")
        self.fault: Fault | None = None

    def check(self) -> None:
        """Raise the fault that a callback received, if any: the driver loses a whole batch when a callback raises.

        Raises:
            SessionLost, Fatal: the consumer cannot continue.
        """
        if self.fault is not None:
            raise self.fault

    def meet(self, error: DriverError) -> None:
        """Take an error that arrived in place of a record.

        Raises:
            SessionLost, Fatal: the consumer cannot continue.
        """
        fault = classify(error.name())
        if fault is not Retriable:
            raise fault(describe(error.name(), error.str(), **self._names))
        self._troubles.note(error)

    def on_error(self, error: DriverError) -> None:
        """Take an error that the driver passes to its callback. Never raises."""
        self._troubles.note(error)
        fault = classify(error.name())
        if fault is not Retriable and not isinstance(self.fault, Fatal):
            self.fault = fault(describe(error.name(), error.str(), **self._names))
