"""A progress bar on stderr, where that is a terminal; silent elsewhere."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


class Bar:
    """How far a command has come. One without a terminal to show it on counts, and shows nothing."""

    def __init__(self, progress: Progress | None = None) -> None:
        """Begin with nothing to do.

        Args:
            progress: shows it.
        """
        self._progress = progress
        self._task = None if progress is None else progress.add_task("", total=0)
        self._total = 0

    @property
    def is_visible(self) -> bool:
        """Whether anybody sees it."""
        return self._progress is not None and not self._progress.disable

    def expect(self, records: int) -> Self:
        """Say that there are so many more to come."""
        self._total += records
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, total=self._total)
        return self

    def advance(self, doing: str, records: int) -> None:
        """Say what is done now, and how many records are behind us since the last time."""
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, description=doing, advance=records)


@contextmanager
def shown(*, in_bytes: bool = False) -> Iterator[Bar]:
    """Show a bar while something is done. What it counts are records, or bytes."""
    console = Console(stderr=True)
    count = DownloadColumn() if in_bytes else MofNCompleteColumn()
    columns = (TextColumn("{task.description}"), BarColumn(), count, TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        yield Bar(progress)
