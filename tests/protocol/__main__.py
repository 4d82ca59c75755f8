"""`make protocol`: search every state, and print what each remedy is for, with the shortest story without it."""

import sys
import time

from rich.console import Console
from rich.table import Table

from tests.protocol.cases import FENCES, LIMIT, LOSSES, PAIR, SOUND, SPREAD, WITHOUT, Case
from tests.protocol.search import Found, search
from tests.protocol.steps import Model, Remedies

_CONSOLE = Console(width=120)


def main() -> int:
    """Return 1 if a promise is broken that should hold, or holds where a remedy is missing."""
    table = Table("events by partition", "faults", "states", "seconds", "result")
    broken = 0
    for case in SOUND:
        found, seconds = _timed(case, Remedies())
        broken += bool(found.broken)
        table.add_row(str(case.days), _faults(case), f"{found.states:,}", f"{seconds:.0f}", found.broken or "sound")
        _tell("The whole protocol", found)
    _CONSOLE.print(table)
    for name, left in WITHOUT.items():
        found, _ = _timed(Case(SPREAD, left), Remedies(**{name: False}))
        broken += not found.broken
        _tell(f"Without `{name}`", found)
    _tell(
        "A known limit: the store loses its keys, and a contact's day is in two partitions",
        _timed(LIMIT, Remedies())[0],
    )
    return int(bool(broken + _fences()))


def _fences() -> int:
    """Print which losses each fence survives, and return how often that is not what is known."""
    table = Table("fences", *LOSSES)
    surprises = 0
    for fences, known in FENCES.items():
        model = Model(PAIR, fences=fences)
        lost = {name for name, left in LOSSES.items() if search(model, left).broken}
        surprises += lost != known
        names = ", ".join(name for name, is_there in fences._asdict().items() if is_there)
        table.add_row(names or "none", *("lost" if name in lost else "sound" for name in LOSSES))
    _CONSOLE.print(table)
    return surprises


def _timed(case: Case, remedies: Remedies) -> tuple[Found, float]:
    began = time.monotonic()
    return search(Model(case.days, remedies), case.left), time.monotonic() - began


def _faults(case: Case) -> str:
    return ", ".join(f"{count} {name}" for name, count in case.left._asdict().items() if count)


def _tell(title: str, found: Found) -> None:
    if found.broken:
        _CONSOLE.print(f"\n[bold]{title}[/bold] ({found.states:,} states): {found.broken}", highlight=False)
        for number, what in enumerate(found.story, 1):
            _CONSOLE.print(f"{number:4}. {what}", highlight=False)


if __name__ == "__main__":
    sys.exit(main())
