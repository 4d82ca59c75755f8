"""What `daymark size` computes with: figures of the published benchmark, written into the package by `make docs`."""

import statistics
from typing import Final, NamedTuple

import msgspec

from daymark.sizing.measured import Figure
from tests.bench import report

_PLAIN, _PROPERTY = "mixed load", "mixed load, a property each"
_SINGLE, _BATCHES = "one event, 256 connections", "batches of 100, an event"
_RATE, _WARM, _SIZE = "rate", "rate, warm half", "size"


class _Place(NamedTuple):
    """Where a figure stands in the published results."""

    part: str
    case: str
    contender: str
    measure: str
    unit: str
    meaning: str


_PLACES: Final = {
    "ingest_singly_per_s": _Place(
        "ingest", _SINGLE, "ingest", _RATE, "events/s", "an ingest process, one event a request"
    ),
    "ingest_batched_per_s": _Place("ingest", _BATCHES, "ingest", _RATE, "events/s", "an ingest process, batches"),
    "ingest_memory_mb": _Place("ingest", _BATCHES, "ingest", "memory", "MB", "memory of an ingest process"),
    "worker_per_s": _Place("processor", _PLAIN, "worker", _WARM, "events/s", "a worker, no property"),
    "worker_property_per_s": _Place("processor", _PROPERTY, "worker", _WARM, "events/s", "a worker, a property each"),
    "worker_memory_mb": _Place("growth", "10,000,000 contacts", "worker", "memory", "MB", "memory of a worker"),
    "broker_us": _Place(
        "latency", "capacity, in batches of 100", "ingest and worker", "broker's", "µs", "Kafka's CPU time, an event"
    ),
    "store_us": _Place("processor", _PLAIN, "worker", "store's", "µs", "the store's CPU time, no property"),
    "store_property_us": _Place(
        "processor", _PROPERTY, "worker", "store's", "µs", "the store's CPU time, a property each"
    ),
    "claim_bytes": _Place("growth", "1,000,000 contacts", "worker", "of the store", "bytes", "the store, a claim"),
    "clock_bytes": _Place("disk", "", "the store, a property's clock", _SIZE, "bytes", "the store, a property's clock"),
    "json_bytes": _Place("disk", "", "events, their JSON", _SIZE, "bytes", "an event's JSON"),
    "event_singly_bytes": _Place("disk", "", "events, sent singly", _SIZE, "bytes", "an event on disk, sent singly"),
    "event_batched_bytes": _Place(
        "disk", "", "events, sent in batches of 100", _SIZE, "bytes", "an event on disk, sent in batches"
    ),
    "interaction_bytes": _Place("disk", "", "interactions", _SIZE, "bytes", "an interaction on disk"),
    "property_bytes": _Place("disk", "", "properties", _SIZE, "bytes", "a property's change on disk"),
    "rejection_bytes": _Place("disk", "", "rejections", _SIZE, "bytes", "a rejected event on disk"),
}


def drawn() -> str:
    """Return the file of the package as it should be."""
    published = report.read(report.PUBLISHED)
    figures = {name: _figure(published, place) for name, place in _PLACES.items()}
    return msgspec.json.format(msgspec.json.encode(figures), indent=1).decode() + "\n"


def _figure(published: report.Report, place: _Place) -> Figure:
    found = [
        row.values
        for row in report.rows(published, place.part)
        if (row.case, row.contender, row.measure) == (place.case, place.contender, place.measure)
    ]
    assert len(found) == 1, f"the published results have no such figure, or several: {place}"
    of = published["parts"][place.part]
    value = float(f"{statistics.median(found[0]):.3g}")
    return Figure(value, place.unit, place.meaning, *place[:4], of["measured"], of["commit"])
