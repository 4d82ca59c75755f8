"""Exit statuses that every command shares (contract, section 8).

| status | meaning |
|---|---|
| 0 | success; for a service: it was asked to stop, and stopped in order |
| 1 | failure: what was to be done or looked at could not be |
| 2 | bad use or bad settings |
| 3 | it was looked at, and something is wrong with it |
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
