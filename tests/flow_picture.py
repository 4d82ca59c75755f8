"""docs/flow.svg: how a record flows, from the HTTP request to the committed transaction. `make docs` draws it."""

from html import escape
from typing import NamedTuple

_STYLE = """\
text { font: 13px system-ui, sans-serif; fill: #1f2328; text-anchor: middle }
.name { font-weight: 600 } .note { font-size: 11.5px; fill: #59636e }
rect { fill: #f6f8fa; stroke: #d1d9e0 } .topic { fill: #e3f1ee; stroke: #1a7f6b }
.frame { fill: none; stroke-dasharray: 5 4 }
path { stroke: #59636e; fill: none; stroke-width: 1.4 } .head { fill: #59636e; stroke: none }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 } .note { fill: #9198a1 } rect { fill: #161b22; stroke: #3d444d }
  .topic { fill: #10302a; stroke: #3fb79b } path { stroke: #9198a1 } .head { fill: #9198a1 }
}"""


class _Box(NamedTuple):
    """A step or a topic: its left upper corner, its width, its name, and what it does in a few words."""

    x: int
    y: int
    width: int
    name: str
    note: str
    kind: str = "step"


_HEIGHT = 54
_BOXES = (
    _Box(20, 40, 150, "Segment, SDKs", "at-least-once, any order"),
    _Box(230, 40, 170, "1 accept or reject", "a pure function"),
    _Box(460, 40, 170, "2 publish", "200 once replicated"),
    _Box(690, 40, 190, "segment.events", "raw, as received", "topic"),
    _Box(690, 176, 190, "3 poll a batch", "with its group membership"),
    _Box(460, 176, 170, "4 decode, normalise", "a pure function"),
    _Box(230, 176, 170, "5 deduplicate, claim", "one Lua script call"),
    _Box(20, 176, 150, "Redis or Valkey", "key → owner's offset"),
    _Box(230, 292, 170, "6 decide", "emit, duplicate, reject"),
    _Box(460, 292, 420, "7 one Kafka transaction", "results, rejections, consumed offsets"),
    _Box(20, 408, 270, "segment.rejected", "dead letters, with reason and bytes", "topic"),
    _Box(315, 408, 270, "timeline.interactions", "one per contact and day", "topic"),
    _Box(610, 408, 270, "contact.traits", "newest change last", "topic"),
)
_ARROWS = (  # corners of each line; the last is where its head points
    ((170, 67), (230, 67)),
    ((400, 67), (460, 67)),
    ((630, 67), (690, 67)),
    ((785, 94), (785, 176)),
    ((690, 203), (630, 203)),
    ((460, 203), (400, 203)),
    ((230, 203), (170, 203)),
    ((315, 230), (315, 292)),
    ((400, 319), (460, 319)),
    ((520, 346), (520, 377), (155, 377), (155, 408)),
    ((560, 346), (560, 390), (450, 390), (450, 408)),
    ((745, 346), (745, 408)),
)
_BACK = ((850, 292), (850, 230))
_WIDTH, _BOTTOM = 900, 480
_LABEL = "How a record flows through Daymark"


def drawn() -> str:
    """Return the picture as SVG, readable on light and dark pages."""
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_BOTTOM}" role="img" aria-label="{_LABEL}">',
        f"<style>{_STYLE}</style>",
        '<rect class="frame" x="215" y="22" width="430" height="88" rx="8"/>',
        '<text class="note" x="240" y="15">ingest</text>',
        '<rect class="frame" x="215" y="158" width="680" height="204" rx="8"/>',
        '<text class="note" x="284" y="151">processor (N workers)</text>',
        *(_box(box) for box in _BOXES),
        *(_arrow(corners) for corners in _ARROWS),
        _arrow(_BACK).replace("<path ", '<path stroke-dasharray="4 3" ', 1),
        '<text x="790" y="268" class="note">8 on failure: seek back</text>',
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _box(box: _Box) -> str:
    middle = box.x + box.width // 2
    return (
        f'<rect class="{box.kind}" x="{box.x}" y="{box.y}" width="{box.width}" height="{_HEIGHT}" rx="6"/>'
        f'<text class="name" x="{middle}" y="{box.y + 23}">{escape(box.name)}</text>'
        f'<text class="note" x="{middle}" y="{box.y + 41}">{escape(box.note)}</text>'
    )


def _arrow(corners: tuple[tuple[int, int], ...]) -> str:
    (before_x, before_y), (x, y) = corners[-2:]
    line = " L".join(f"{at[0]} {at[1]}" for at in corners)
    if x == before_x:
        back = y - 8 if y > before_y else y + 8
        head = f"{x},{y} {x - 4},{back} {x + 4},{back}"
    else:
        back = x - 8 if x > before_x else x + 8
        head = f"{x},{y} {back},{y - 4} {back},{y + 4}"
    return f'<path d="M{line}"/><polygon class="head" points="{head}"/>'
