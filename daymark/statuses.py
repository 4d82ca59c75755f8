"""Exit statuses that every command shares (contract, section 8).

| status | meaning |
|---|---|
| 0 | success; for a service: it was asked to stop, and shut down cleanly |
| 1 | failure: the task or the check could not be done |
| 2 | incorrect usage or invalid settings |
| 3 | a check found something wrong |
| 130 | interrupted by Ctrl-C |
"""

from typing import Final

import click

FAILED: Final = 1
BAD_USE: Final = 2
WRONG: Final = 3
INTERRUPTED: Final = 130  # 128 + SIGINT, as shells report it


class SomethingWrong(click.ClickException):
    """A check was carried out and found something wrong: no failure of the check itself."""

    exit_code = WRONG
