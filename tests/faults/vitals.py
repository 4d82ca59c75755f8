"""What a soak watches: the memory and open files of processes that live through all of it, the store's keys, the logs.

Pure but for `Vitals`, which reads /proc, folders and the store, from whoever calls `look` now and then.
"""

import math
import statistics
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

import redis

MB = 1024 * 1024
_MOST_POINTS = 200  # of a slope: 20,000 pairs
# Flat: what buffers and caches vary by when the load does, and no leak that would matter in a month does.
_MAY_GROW, _MAY_GROW_MB = 0.1, 8.0
_MOST_BEYOND = 100  # keys: the installation's identity and the marks of processes


class Point(NamedTuple):
    """A value at a time, in seconds."""

    at_s: float
    value: float


class Trend(NamedTuple):
    """How a value went over the last two thirds of its time: its median, its slope, and the growth by that slope."""

    median: float
    per_hour: float
    growth: float


def trend(points: Sequence[Point]) -> Trend | None:
    """Return the trend of the last two thirds (Theil and Sen: the median of all slopes); None of too few."""
    if not points:
        return None
    begin = points[0].at_s + (points[-1].at_s - points[0].at_s) / 3
    late = [point for point in points if point.at_s >= begin]
    late = late[:: math.ceil(len(late) / _MOST_POINTS)]
    slopes = [(b.value - a.value) / (b.at_s - a.at_s) for a, b in combinations(late, 2) if b.at_s > a.at_s]
    if len(slopes) < 3:
        return None
    slope = statistics.median(slopes)
    growth = slope * (late[-1].at_s - late[0].at_s)
    return Trend(statistics.median(point.value for point in late), slope * 3600, growth)


def leaks(found: Mapping[str, Trend | None]) -> list[str]:
    """Return, in words, whose memory (in MB) is not flat, or was not seen for long enough to tell."""
    words = [f"{name} did not live long enough to judge its memory" for name, of in found.items() if of is None]
    return words + [
        f"the memory of {name} grows by {of.per_hour:.1f} MB an hour, by {of.growth:.1f} MB in what was watched"
        for name, of in found.items()
        if of is not None and of.growth > max(_MAY_GROW * of.median, _MAY_GROW_MB)
    ]


def judge(vitals: "Vitals", *, claims: int, clocks: int) -> tuple[dict[str, str], list[str]]:
    """Return what was watched, in words, and what is wrong with it.

    Args:
        vitals: of a run that is over.
        claims: how many contact-days there are.
        clocks: how many properties of contacts there are.
    """
    sizes, trends = vitals.sizes(), vitals.trends()
    beyond = sizes["keys in the store"] - claims - clocks
    shown = {
        f"memory of {name}": f"{of.median:.1f} MB, {of.per_hour:+.2f} MB an hour, {vitals.lives(name)} lives"
        for name, of in trends.items()
        if of is not None
    }
    shown |= {name: f"{value:,.1f}" for name, value in {**vitals.last, **sizes}.items()}
    shown["keys beyond claims and clocks"] = f"{beyond:,.0f}"
    troubles = leaks(trends)
    if beyond > _MOST_BEYOND:
        troubles.append(f"the store has {beyond:,.0f} keys beyond {claims:,} claims and {clocks:,} clocks")
    return shown, troubles


class Vitals:
    """Samples of one run."""

    def __init__(
        self, pids: Mapping[str, Callable[[], int | None]], folders: Mapping[str, Path], store: str, every_s: float
    ) -> None:
        """Take what to watch.

        Args:
            pids: of each process by name; None while it does not run.
            folders: whose sizes are watched, by name.
            store: its URL.
            every_s: seconds between two looks.
        """
        self._pids, self._folders, self._store, self._every_s = pids, folders, store, every_s
        self._memory: dict[tuple[str, int], list[Point]] = defaultdict(list)  # of each life
        self.last: dict[str, float] = {}
        self._due = 0.0

    def look(self, now: float) -> None:
        """Look, if it is time to."""
        if now < self._due:
            return
        self._due = now + self._every_s
        for name, pid_of in self._pids.items():
            pid = pid_of()
            try:
                resident = int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096
                self.last[f"open files of {name}"] = len(list(Path(f"/proc/{pid}/fd").iterdir()))
            except (OSError, IndexError):
                continue
            self._memory[name, pid or 0].append(Point(now, resident / MB))

    def trends(self) -> dict[str, Trend | None]:
        """Return the trend of each process's memory in MB: of its longest life."""
        longest: dict[str, list[Point]] = {name: [] for name in self._pids}
        for (name, _), points in self._memory.items():
            longest[name] = max(longest[name], points, key=len)
        return {name: trend(points) for name, points in longest.items()}

    def lives(self, name: str) -> int:
        """Return how many processes of a name were seen."""
        return sum(of == name for of, _ in self._memory)

    def sizes(self) -> dict[str, float]:
        """Return what folders and the store hold now: MB on disk, keys, MB in memory."""
        sizes = {f"MB of {name}": size(folder) / MB for name, folder in self._folders.items()}
        with redis.Redis.from_url(self._store) as client:
            sizes["keys in the store"] = float(client.dbsize())
            sizes["MB in the store"] = client.info("memory")["used_memory"] / MB
        return sizes


def size(folder: Path) -> int:
    """Return how many bytes of a disk a folder takes."""
    total = 0
    for file in folder.rglob("*"):
        try:
            total += file.stat().st_blocks * 512
        except FileNotFoundError:
            continue
    return total
