"""A load and measured figures -> what is needed, each with the formula that gave it. Pure.

Sizes are for the peak: workers keep up with it, so that lag stays at a second or two. Where a burst may wait, its peak
is the rate at which it must be worked off.
"""

from collections.abc import Iterator
from math import ceil
from typing import Final, NamedTuple

from daymark.sizing.measured import Figure, Figures
from daymark.sizing.quantities import shown
from schemas.topics import PARTITIONS

DAY_S: Final = 86_400
INTERACTIONS_DAYS: Final = 90  # retention of timeline.interactions (contract, section 6)
_LEAST_INSTANCES = 2  # of ingest, so that one can be replaced
_MB = 10**6
_SEGMENT_BYTES = 2**30  # Kafka's `segment.bytes`: the newest one of a partition is never compacted
_DIRTY = 2  # 1 / (1 - `min.cleanable.dirty.ratio`), Kafka's default being 0.5


class Load(NamedTuple):
    """What is expected.

    Attributes:
        contacts: that are synced.
        syncs_per_day: identify calls of each contact and day.
        peak_per_s: events a second.
        properties: different user properties of a contact; 0: events carry none.
        batched: whether events come in batches rather than one a request.
        rejected: the share of events that is refused, 0 to 1.
        replication: copies of each topic.
        retention_days: of segment.events and segment.rejected.
        claim_days: the lifetime of claims.
        margin: how much more than computed is asked for, as a factor of 1 or more.
    """

    contacts: int
    syncs_per_day: float
    peak_per_s: float
    properties: int
    batched: bool
    rejected: float
    replication: int
    retention_days: int
    claim_days: int
    margin: float

    @property
    def events_per_day(self) -> float:
        """Events of all contacts."""
        return self.contacts * self.syncs_per_day


class Need(NamedTuple):
    """One line of the estimate; `value` is in the unit, `formula` gives it from the `figures`."""

    name: str
    value: float
    unit: str
    formula: str
    figures: tuple[Figure, ...] = ()

    @property
    def text(self) -> str:
        """The value as people read it."""
        return shown(self.value, self.unit) if self.unit in {"B", "bit/s"} else f"{self.value:,.0f}"


def estimate(load: Load, figures: Figures) -> list[Need]:
    """Return what a load needs."""
    parts = list(_parts(load, figures))
    partitions = int(next(need.value for need in parts if need.name == "partitions"))
    disk = list(_disk(load, figures, partitions))
    total = Need("Kafka disk", sum(need.value for need in disk), "B", "all of these, over all brokers")
    return [*parts, *disk, total, *_memory(load, figures, parts), *_network(load, figures)]


def _parts(load: Load, figures: Figures) -> Iterator[Need]:
    """Yield processes, and the CPU of the parts that are not ours: each process takes one core when it is busy."""
    peak = load.peak_per_s * load.margin
    said = f"{shown(load.peak_per_s)}/s x {load.margin:g}"
    worker = figures.worker_property_per_s if load.properties else figures.worker_per_s
    workers = ceil(peak / worker.value)
    yield Need("workers", workers, "processes", f"{said} / {shown(worker.value)}/s a worker", (worker,))
    multiple = max(1, ceil(workers / PARTITIONS)) * PARTITIONS
    yield Need("partitions", multiple, "", f"one a worker at least, in multiples of {PARTITIONS}")
    ingest = figures.ingest_batched_per_s if load.batched else figures.ingest_singly_per_s
    instances = max(_LEAST_INSTANCES, ceil(peak / ingest.value))
    how = f"{said} / {shown(ingest.value)}/s a process; {_LEAST_INSTANCES} at least"
    yield Need("ingest instances", instances, "processes", how, (ingest,))
    store = figures.store_property_us if load.properties else figures.store_us
    shards = ceil(peak * store.value / 1e6)
    how = f"{said} x {store.value:g} µs; a server works on one core, so this many nodes of a cluster"
    yield Need("store nodes", shards, "primaries", how, (store,))
    broker = figures.broker_us
    cores = ceil(peak * broker.value / 1e6)
    how = f"{said} x {broker.value:g} µs of one broker without replicas; more with replicas and TLS"
    yield Need("Kafka cores", cores, "cores", how, (broker,))


def _disk(load: Load, figures: Figures, partitions: int) -> Iterator[Need]:
    """Yield the disk of each topic with all its replicas."""
    times = load.replication * load.margin
    said = f"x {load.replication} replicas x {load.margin:g}"
    event = figures.event_batched_bytes if load.batched else figures.event_singly_bytes
    days, count = load.retention_days, load.events_per_day
    yield Need(
        "disk of segment.events",
        count * days * event.value * times,
        "B",
        f"{shown(count)} events x {days} days x {event.value:g} bytes {said}",
        (event,),
    )
    one = figures.interaction_bytes
    yield Need(
        "disk of timeline.interactions",
        load.contacts * min(1.0, load.syncs_per_day) * INTERACTIONS_DAYS * one.value * times,
        "B",
        f"one a contact and day with a sync x {INTERACTIONS_DAYS} days x {one.value:g} bytes {said}",
        (one,),
    )
    change = figures.property_bytes
    live = load.contacts * load.properties * change.value * _DIRTY
    segments = partitions * _SEGMENT_BYTES if load.properties else 0
    how = f"({shown(load.contacts * load.properties)} properties x {change.value:g} bytes x {_DIRTY}"
    yield Need(
        "disk of contact.traits",
        (live + segments) * times,
        "B",
        f"{how} (compacted when half is superseded) + 1 GiB a partition, its newest segment) {said}"
        if load.properties
        else "events carry no property",
        (change,) if load.properties else (),
    )
    letter = figures.rejection_bytes
    yield Need(
        "disk of segment.rejected",
        count * load.rejected * days * letter.value * times,
        "B",
        f"{load.rejected:.2%} of {shown(count)} events x {days} days x {letter.value:g} bytes {said}",
        (letter,),
    )


def _memory(load: Load, figures: Figures, parts: list[Need]) -> Iterator[Need]:
    claim, clock = figures.claim_bytes, figures.clock_bytes
    days = min(1.0, load.syncs_per_day) * load.claim_days + 1  # a lifetime of 8 days touches 9 calendar days
    each = days * claim.value + load.properties * clock.value
    yield Need(
        "store memory",
        load.contacts * each * load.margin,
        "B",
        f"{shown(load.contacts)} contacts x ({days:g} claims x {claim.value:g} bytes"
        + (
            f" + {load.properties} clock{'s' * (load.properties > 1)} x {clock.value:g} bytes"
            if load.properties
            else ""
        )
        + f") x {load.margin:g}; a fork for persistence may take as much again",
        (claim, clock) if load.properties else (claim,),
    )
    for name, figure in (("workers", figures.worker_memory_mb), ("ingest instances", figures.ingest_memory_mb)):
        processes = next(need.value for need in parts if need.name == name)
        how = f"{processes:,.0f} x {figure.value:g} MB x {load.margin:g}"
        yield Need(f"memory of {name}", processes * figure.value * _MB * load.margin, "B", how, (figure,))


def _network(load: Load, figures: Figures) -> Iterator[Need]:
    """Yield bandwidth at the peak, without the heads of HTTP and TCP."""
    said = f"{shown(load.peak_per_s)}/s x {load.margin:g}"
    bits = load.peak_per_s * load.margin * 8
    body, event = figures.json_bytes, figures.event_batched_bytes if load.batched else figures.event_singly_bytes
    yield Need("network into ingest", bits * body.value, "bit/s", f"{said} x {body.value:g} bytes x 8", (body,))
    how = f"{said} x {event.value:g} bytes x 8; once from ingest, and once to workers"
    yield Need(
        "network in and out of Kafka", 2 * bits * event.value, "bit/s", how.replace("x 8;", "x 8 x 2;"), (event,)
    )
    copies = load.replication - 1
    how = f"{said} x {event.value:g} bytes x 8 x {copies} further replicas"
    yield Need("network between brokers", copies * bits * event.value, "bit/s", how, (event,))
