"""The worker's ports. Real: `source`, `sink`, `claims`. In tests: fakes that pass the same contract suite."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from processor.decide import ContactDay
from processor.outputs import ROOM_BYTES
from processor.records import Batch, Output
from processor.traits import Clock, Property


class SourcePort(Protocol):
    """A member of the group that reads the raw events."""

    @property
    def assigned(self) -> frozenset[int]:
        """The assigned partitions."""

    def next_batch(self) -> Batch | None:
        """Return the records available now; None if there are none for a short while."""

    def committed(self, batch: Batch) -> None:
        """Note that a batch is committed."""

    def rewind(self, batch: Batch) -> None:
        """Seek back to a batch's first offsets."""

    def pause(self) -> None:
        """Stop returning records, but stay in the group."""

    def wait(self) -> None:
        """Poll once while paused, to stay in the group."""

    def resume(self) -> None:
        """Resume returning records."""

    def close(self) -> None:
        """Leave the group."""


class SinkPort(Protocol):
    """A transactional producer."""

    @property
    def ready(self) -> bool:
        """Whether `init_transactions` has completed."""

    def commit(self, outputs: Sequence[Output], batch: Batch) -> None:
        """Commit outputs and a batch's offsets atomically."""

    def poll(self) -> None:
        """Serve the driver's callbacks, and continue its initialisation."""

    def close(self) -> None:
        """Release the producer."""


class Claimed(NamedTuple):
    """The store's answers, in the order of the request.

    `holders`: the owner of each contact-day, None where the claim has just succeeded. `clocks`: each property's
    previous clock, None where there was none.
    """

    holders: Sequence[bytes | None]
    clocks: Sequence[Clock | None]


class ClaimsPort(Protocol):
    """The claims and clocks of all workers."""

    def claim(self, owners: Mapping[ContactDay, bytes], clocks: Mapping[Property, Clock]) -> Claimed:
        """Claim contact-days, each for an owner, and set clocks forward."""


class Session(NamedTuple):
    """A consumer and its producer; both are replaced when either is lost."""

    source: SourcePort
    sink: SinkPort
    room_bytes: int = ROOM_BYTES  # of a rejection's key and value together
