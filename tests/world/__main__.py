"""`make world`: simulate worlds for some seconds, and tell the story of the first that breaks a promise."""

# ruff: noqa: E402  the clocks come first: what is loaded after them takes the world's
from tests.world import kernel

kernel.replace_clocks()

import argparse
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence

from rich.console import Console

from tests.world.breaks import BREAKS
from tests.world.run import Outcome, Plan, World, planned
from tests.world.shrink import shrink

_LINES = 80  # of a story
_CONSOLE = Console(width=160, highlight=False, markup=False)


def main() -> int:
    """Return 1 if a promise is broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.world", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60, help="of real time")
    parser.add_argument("--seed", type=int, default=1, help="of the first world")
    parser.add_argument("--cpu", type=float, default=float("inf"), help="seconds of CPU time at most")
    parser.add_argument("--worlds", type=int, default=1_000_000, help="at most so many")
    parser.add_argument("--break", dest="broken", choices=BREAKS, help="with a deliberate fault in the product")
    parser.add_argument("--tries", type=int, default=60, help="shorter worlds that are tried when one fails")
    parser.add_argument("--verbose", action="store_true", help="tell every request")
    asked = parser.parse_args()
    if asked.broken:
        BREAKS[asked.broken]()
    began, began_cpu_s, outcomes = kernel.real_monotonic(), time.process_time(), list[Outcome]()
    for seed in range(asked.seed, asked.seed + asked.worlds):
        plan = planned(seed)
        outcome = World(plan, verbose=asked.verbose).run()
        outcomes.append(outcome)
        _CONSOLE.print(
            f"{seed:6} {plan.mode:8} {'lossy' if plan.lossy else '':5} {'lane' if plan.lane else '':4} "
            f"{outcome.commits:4} commits, {outcome.late} late, "
            f"done after {outcome.done_after_s:.1f} s, {outcome.steps} steps, {outcome.digest:08x}: "
            f"{outcome.broken or 'sound'}"
        )
        spent_s = time.process_time() - began_cpu_s
        if outcome.broken:
            _CONSOLE.print(f"found after {spent_s:.1f} CPU s")
            _tell(plan, outcome, asked.tries, verbose=asked.verbose)
            return 1
        if kernel.real_monotonic() - began > asked.seconds or spent_s > asked.cpu:
            break
    _CONSOLE.print(_tally(outcomes, time.process_time() - began_cpu_s))
    return 0


def _tally(outcomes: Sequence[Outcome], cpu_s: float) -> str:
    """Return what sound worlds were, and what their workers said."""
    minutes, commits = sum(each.at_s for each in outcomes) / 60, sum(each.commits for each in outcomes)
    said = sum((Counter(each.said) for each in outcomes), Counter[str]())
    late, slowest_s = sum(each.late for each in outcomes), max(each.done_after_s for each in outcomes)
    return (
        f"{len(outcomes)} worlds, {minutes:.0f} virtual minutes, {commits} commits, {late} late requests, "
        f"all committed at most {slowest_s:.1f} s after the last fault; {cpu_s:.0f} CPU s\n"
        + ", ".join(f"{name} {times}" for name, times in said.most_common())
    )


def _tell(plan: Plan, outcome: Outcome, tries: int, *, verbose: bool) -> None:
    """Shorten a failing world, and tell its story."""
    plan, outcome = shrink(plan, outcome, lambda shorter: World(shorter).run(), tries)
    _CONSOLE.print(f"\nShortened to {len(plan.faults)} faults: {outcome.broken}\n")
    for line in World(plan, verbose=verbose).run().story[-_LINES:]:
        _CONSOLE.print(line)
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False).stdout
    _CONSOLE.print(
        f"\nAgain: make world SEED={plan.seed} at commit {commit.strip() or 'unknown'}. The faults that are left:"
    )
    for fault in plan.faults:
        _CONSOLE.print(f"    {fault!r}")


if __name__ == "__main__":
    if os.environ.get("PYTHONHASHSEED") != "0":  # sets would have another order in each run
        os.execve(
            sys.executable, [sys.executable, "-m", "tests.world", *sys.argv[1:]], {**os.environ, "PYTHONHASHSEED": "0"}
        )
    sys.exit(main())
