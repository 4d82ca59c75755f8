"""How a summary is shown on a terminal."""

from collections.abc import Mapping
from datetime import UTC, datetime

from rich.console import Group
from rich.table import Table

from daymark.figures.summary import Part, Summary


def shown(summary: Summary) -> Group:
    """Return a summary as tables."""
    at = datetime.fromtimestamp(summary.at_ms / 1000, UTC)
    return Group(f"daymark top  {at:%Y-%m-%dT%H:%M:%SZ}", "", _totals(summary), "", _parts(summary))


def _totals(summary: Summary) -> Table:
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column()
    age = _seconds(summary.lag_seconds)
    rows = (
        ("Ingest, events/s", _rates(summary.accepted_per_s)),
        ("Ingest, requests/s", _rates(summary.requests_per_s)),
        ("Workers, events/s", _rates(summary.events_per_s)),
        ("Properties/s", _rates(summary.traits_per_s)),
        ("Transactions/s", _rates(summary.transactions_per_s)),
        ("Lag", f"{summary.lag_records:,} records, oldest {age}, in {summary.partitions} partitions"),
        *([] if summary.lane_records is None else [("Backfill", f"{summary.lane_records:,} records left in its lane")]),
        ("Receipt to commit", f"p50 {_seconds(summary.commit_p50_s)}, p99 {_seconds(summary.commit_p99_s)}, at most"),
        ("Claims store", summary.store),
    )
    for name, text in rows:
        table.add_row(name, text, style="bold red" if name == "Claims store" and text != "ok" else "")
    if summary.found:
        table.add_row(
            "Audit found", ", ".join(f"{name} {count:,}" for name, count in summary.found.items()), style="bold red"
        )
    return table


def _parts(summary: Summary) -> Table:
    table = Table("Part", "Address", "State", box=None, pad_edge=False)
    for name in ("Events/s", "Partitions", "Lag", "Oldest", "Connections", "Queued"):
        table.add_column(name, justify="right")
    for part in summary.parts:
        table.add_row(*_row(part), style="" if part.state == "ok" else "bold red")
    return table


def _row(part: Part) -> tuple[str, ...]:
    head = (part.kind, part.url.removeprefix("http://"), part.state, f"{part.events_per_s:,.1f}")
    if part.kind == "worker":
        return (*head, f"{part.partitions}", f"{part.lag_records:,}", _seconds(part.lag_seconds), "", "")
    if part.kind == "ingest":
        return (*head, "", "", "", f"{part.connections:,}", f"{part.queued:,}")
    return (*head, "", "", "", "", "")


def _rates(rates: Mapping[str, float]) -> str:
    named = sorted(rates.items(), key=lambda each: -each[1])
    return ", ".join(f"{name or 'all'} {rate:,.1f}" for name, rate in named) or "0"


def _seconds(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    return f"{seconds * 1000:,.0f} ms" if seconds < 1 else f"{seconds:,.1f} s"
