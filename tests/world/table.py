"""`make world-breaks`: how soon each deliberate break is found, from several starting seeds: a table.

Each hunt is a process of its own, with a budget of CPU time. What was found is kept in a file outside of the
repository, so that an interrupted run goes on; hunts of other code than this are not taken from it.
"""

import argparse
import hashlib
import json
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from itertools import product
from pathlib import Path
from statistics import median
from typing import Final, NamedTuple

from tests.world.breaks import BREAKS

_BUDGET_S: Final = 60.0
_APART: Final = 1_000  # starting seeds: further than the worlds of a budget
_ROOT: Final = Path(__file__).parents[2]
_CODE: Final = ("processor/*.py", "schemas/*.py", "tests/world/*.py", "tests/model/*.py", "tests/faults/breaks.py")
_FOUND: Final = re.compile(r"found after ([\d.]+) CPU s")


class Hunt(NamedTuple):
    """One break from one starting seed. `cpu_s`: until it was found; None: the budget was spent."""

    code: str
    broken: str
    seed: int
    cpu_s: float | None


def main() -> int:
    """Return 1 if a break was not found from some seed."""
    parser = argparse.ArgumentParser(prog="python -m tests.world.table", description=__doc__)
    parser.add_argument("--seeds", type=int, default=10, help="starting seeds of each break")
    parser.add_argument("--at-once", type=int, default=2, help="processes")
    parser.add_argument("--break", dest="only", action="append", choices=BREAKS, help="only this one; repeatable")
    parser.add_argument("--keep", type=Path, default=Path.home() / ".cache/daymark/world-breaks.jsonl")
    asked = parser.parse_args()
    code = _digest()
    known = {(hunt.broken, hunt.seed): hunt for hunt in kept(asked.keep) if hunt.code == code}
    seeds = [1 + _APART * number for number in range(asked.seeds)]
    broken = asked.only or [*BREAKS]
    due = [(name, seed) for seed, name in product(seeds, broken) if (name, seed) not in known]
    _say(f"{len(due)} hunts to do, {len(broken) * len(seeds) - len(due)} kept in {asked.keep}")
    for hunt in _hunts(code, due, asked.at_once):
        keep(asked.keep, hunt)
        known[hunt.broken, hunt.seed] = hunt
        _say(f"{hunt.broken} from {hunt.seed}: {'not found' if hunt.cpu_s is None else hunt.cpu_s}")
    hunts = [known[pair] for pair in product(broken, seeds)]
    _say("\n".join(lines(broken, hunts)))
    return int(any(hunt.cpu_s is None for hunt in hunts))


def _hunts(code: str, due: Sequence[tuple[str, int]], at_once: int) -> Iterator[Hunt]:
    """Return each hunt once it has ended; those that have not begun are left out when this is closed."""
    pool = ThreadPoolExecutor(at_once)
    try:
        for hunt in as_completed([pool.submit(_hunt, code, *pair) for pair in due]):
            yield hunt.result()
    finally:
        pool.shutdown(cancel_futures=True)


def _hunt(code: str, broken: str, seed: int) -> Hunt:
    command = [sys.executable, "-m", "tests.world", "--break", broken, "--seed", str(seed)]
    command += ["--cpu", str(_BUDGET_S), "--seconds", "1e9", "--tries", "0"]
    told = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, check=False)
    if told.returncode not in {0, 1} or told.stderr:
        raise RuntimeError(f"{broken} from {seed}: {told.stderr}")
    found = _FOUND.search(told.stdout)
    cpu_s = float(found[1]) if found else None
    return Hunt(code, broken, seed, cpu_s if cpu_s is not None and cpu_s <= _BUDGET_S else None)


def lines(broken: Sequence[str], hunts: Sequence[Hunt]) -> Iterator[str]:
    """Return the table: of how many hunts a break was found by, and how soon."""
    yield "| break | found | median, CPU s | worst, CPU s |"
    yield "|---|---|---|---|"
    for name in broken:
        all_s = [hunt.cpu_s for hunt in hunts if hunt.broken == name]
        found_s = [each for each in all_s if each is not None]
        middle, worst = (f"{median(found_s):.1f}", f"{max(found_s):.1f}") if found_s else ("", "")
        yield f"| `{name}` | {len(found_s)} of {len(all_s)} | {middle} | {worst} |"


def _digest() -> str:
    files = sorted(path for pattern in _CODE for path in _ROOT.glob(pattern))
    return hashlib.sha256(b"".join(path.read_bytes() for path in files if path.name != "table.py")).hexdigest()[:16]


def kept(path: Path) -> list[Hunt]:
    """Return the hunts of a file; none where there is no file."""
    return [Hunt(*json.loads(line)) for line in path.read_text().splitlines()] if path.exists() else []


def keep(path: Path, hunt: Hunt) -> None:
    """Add a hunt to a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        file.write(json.dumps(hunt) + "\n")


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
