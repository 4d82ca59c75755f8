"""The figures that docs/performance.md shows as a picture: an SVG written by hand, readable on light and dark pages.

Bars with whiskers from the least to the most of the runs; each panel has its own axis, with its unit.
"""

from collections.abc import Callable, Iterator
from html import escape
from typing import NamedTuple

from tests.bench.figures import Spread, written
from tests.bench.report import Report, rows

_WIDTH, _LEFT, _RIGHT = 760, 210, 96
_BAR, _GAP, _HEAD, _FOOT = 16, 8, 40, 46  # pixels: a bar, between two, above and below those of a panel
_TICKS = 4
_STYLE = """\
text { font: 12px system-ui, sans-serif; fill: #1f2328 }
.title { font-weight: 600; font-size: 13px } .small { font-size: 11px; fill: #59636e }
.axis { stroke: #d1d9e0; stroke-width: 1 } .whisker { stroke: #1f2328; stroke-width: 1.2 }
.ours { fill: #1a7f6b } .others { fill: #8c96a0 }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 } .small { fill: #9198a1 } .axis { stroke: #3d444d } .whisker { stroke: #e6edf3 }
  .ours { fill: #3fb79b } .others { fill: #6e7781 }
}"""


class _Bar(NamedTuple):
    name: str
    spread: Spread
    ours: bool


class _Panel(NamedTuple):
    """Bars of one measure."""

    title: str
    unit: str
    bars: list[_Bar]


class _Choice(NamedTuple):
    """What a panel shows: rows of one part and measure, of the cases that begin so; ours are those named."""

    title: str
    part: str
    measure: str
    case: str
    ours: tuple[str, ...]


_CHOICES = tuple(
    _Choice(f"Processor, {case}: own CPU (less is better)", "processor", "own CPU, warm half", case, ("worker",))
    for case in ("our own load", "mixed load", "mixed load, a property each")
)


def drawn(report: Report) -> str:
    """Return the plot of a report; panels whose part was not measured are omitted."""
    panels = [*_chosen(report), *_ingest(report), *_latency(report), *_growth(report)]
    body, height = [], 8
    for panel in panels:
        body += list(_panel(panel, height))
        height += _height(panel)
    words = "; ".join(panel.title for panel in panels)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}" '
        f'role="img" aria-label="{escape(words)}">\n<style>{_STYLE}</style>\n' + "\n".join(body) + "\n</svg>\n"
    )


def _chosen(report: Report) -> Iterator[_Panel]:
    for choice in _CHOICES:
        found = [row for row in rows(report, choice.part) if (row.measure, row.case) == (choice.measure, choice.case)]
        if found:
            bars = [_Bar(row.contender, Spread.of(row.values), row.contender in choice.ours) for row in found]
            yield _Panel(choice.title, found[0].unit, bars)


def _ingest(report: Report) -> Iterator[_Panel]:
    found = [row for row in rows(report, "ingest") if row.measure == "own CPU"]
    if found:
        bars = [
            _Bar(", ".join(filter(None, (row.contender, row.case))), Spread.of(row.values), row.contender == "ingest")
            for row in found
        ]
        yield _Panel("Ingest: own CPU of an answer (less is better)", found[0].unit, bars)


def _latency(report: Report) -> Iterator[_Panel]:
    found = [
        row
        for row in rows(report, "latency")
        if row.measure.startswith("200 to commit, p") and " of " not in row.contender
    ]
    if found:
        bars = [
            _Bar(f"{row.measure.rpartition(' ')[2]}, {row.case.partition(',')[0]}", Spread.of(row.values), ours=True)
            for row in found
        ]
        yield _Panel("Latency: from the 200 to the committed interaction (less is better)", "ms", bars)


def _growth(report: Report) -> Iterator[_Panel]:
    found = [row for row in rows(report, "growth") if row.measure == "own CPU"]
    if found:
        bars = [_Bar(row.case, Spread.of(row.values), ours=True) for row in found]
        yield _Panel("Growth: a worker's CPU (flat, and falling with repeats, is better)", found[0].unit, bars)


def _height(panel: _Panel) -> int:
    return _HEAD + len(panel.bars) * (_BAR + _GAP) + _FOOT


def _panel(panel: _Panel, top: int) -> Iterator[str]:
    most, step = _axis(max(bar.spread.most for bar in panel.bars))
    low = top + _HEAD + len(panel.bars) * (_BAR + _GAP)

    def x(value: float) -> float:
        return round(_LEFT + value / most * (_WIDTH - _LEFT - _RIGHT), 1)

    yield f'<text class="title" x="8" y="{top + 20}">{escape(panel.title)}</text>'
    for number in range(round(most / step) + 1):
        tick = number * step
        yield f'<path class="axis" d="M{x(tick)} {top + _HEAD - 6}V{low}"/>'
        yield f'<text class="small" x="{x(tick)}" y="{low + 14}" text-anchor="middle">{tick:,.10g}</text>'
    yield f'<text class="small" x="{x(most / 2)}" y="{low + 30}" text-anchor="middle">{escape(panel.unit)}</text>'
    for place, bar in enumerate(panel.bars):
        yield from _bar(bar, top + _HEAD + place * (_BAR + _GAP), x)


def _bar(bar: _Bar, y: int, x: Callable[[float], float]) -> Iterator[str]:
    spread, middle = bar.spread, y + _BAR / 2
    yield f'<text x="{_LEFT - 8}" y="{middle + 4}" text-anchor="end">{escape(bar.name)}</text>'
    kind, wide = ("ours" if bar.ours else "others"), round(x(spread.median) - _LEFT, 1)
    yield f'<rect class="{kind}" x="{_LEFT}" y="{y}" width="{wide}" height="{_BAR}" rx="2"/>'
    if not spread.is_one:
        ends = "".join(f"M{x(end)} {middle - 4}v8" for end in (spread.least, spread.most))
        yield f'<path class="whisker" d="M{x(spread.least)} {middle}H{x(spread.most)}{ends}"/>'
    yield f'<text x="{x(spread.most) + 6}" y="{middle + 4}">{written(spread.median)}</text>'


def _axis(most: float) -> tuple[float, float]:
    """Return where an axis ends, and the step of its ticks: one, two or five of some power of ten."""
    power = 10.0 ** len(str(int(most))) / 100
    step = next(step for step in (power * times for times in (1, 2, 5, 10, 20, 50, 100)) if most / step <= _TICKS + 1)
    return -(-most // step) * step, step
