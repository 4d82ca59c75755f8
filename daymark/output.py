"""Where commands print their tables: as wide as a terminal, or wide enough to read from a file or a pipe."""

import shutil
import sys
from typing import Final

from rich.console import Console

_SIZE: Final = (160, 50)  # columns and lines of what is no terminal, where COLUMNS does not say


def standard_output(*, highlight: bool = True) -> Console:
    """Return a console on stdout. What is no terminal is not cut at 80 columns."""
    width = None if sys.stdout.isatty() else shutil.get_terminal_size(_SIZE).columns
    return Console(file=sys.stdout, width=width, highlight=highlight)
