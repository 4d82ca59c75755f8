"""The measured figures that sizes are computed from, in a file of the package.

The file is generated from the last published benchmark (docs/performance.md) by `make docs`, and a test compares them.
"""

from pathlib import Path
from typing import Final

import msgspec

FILE: Final = Path(__file__).with_name("measured.json")


class Figure(msgspec.Struct, frozen=True):
    """One measured figure.

    Attributes:
        value: the median of its runs.
        unit: of the value.
        meaning: what was measured, in a few words.
        part: of `make bench`, which measures it again.
        case: the load, as docs/performance.md names it; empty where there is one only.
        contender: who was measured, as it is named there.
        measure: its column there.
        measured: the day, YYYY-MM-DD.
        commit: of Daymark.
    """

    value: float
    unit: str
    meaning: str
    part: str
    case: str
    contender: str
    measure: str
    measured: str
    commit: str

    @property
    def source(self) -> str:
        """Where it is from."""
        place = ", ".join(filter(None, (self.case, self.contender, self.measure)))
        return f"make bench PART={self.part}: {place}; {self.measured}, commit {self.commit}"


class Figures(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All of them. Rates are of one process, CPU times and bytes of one event or record, bytes of one replica."""

    ingest_singly_per_s: Figure
    ingest_batched_per_s: Figure
    ingest_memory_mb: Figure
    worker_per_s: Figure
    worker_property_per_s: Figure
    worker_memory_mb: Figure
    broker_us: Figure
    store_us: Figure
    store_property_us: Figure
    claim_bytes: Figure
    clock_bytes: Figure
    json_bytes: Figure
    event_singly_bytes: Figure
    event_batched_bytes: Figure
    interaction_bytes: Figure
    property_bytes: Figure
    rejection_bytes: Figure


def read() -> Figures:
    """Return the figures that are shipped."""
    return msgspec.json.decode(FILE.read_bytes(), type=Figures)
