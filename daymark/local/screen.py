"""What `daymark up` shows: one line that says how things are now, and sentences that stay."""

import click
from rich.console import Console


class Screen:
    """A terminal's bottom line; where stderr is no terminal, only what stays is shown."""

    def __init__(self, *, quiet: bool) -> None:
        """Show nothing yet; a quiet screen never has a bottom line."""
        console = Console(stderr=True)
        self._status = None if quiet or not console.is_terminal else console.status("")

    def now(self, text: str) -> None:
        """Say how things are, until they are otherwise."""
        if self._status is not None:
            self._status.update(text)
            self._status.start()

    def say(self, text: str) -> None:
        """Say what happened, on stderr."""
        self._stay(text, err=True)

    def show(self, text: str) -> None:
        """Print what was asked for, on stdout."""
        self._stay(text, err=False)

    def end(self) -> None:
        """Take the bottom line away."""
        if self._status is not None:
            self._status.stop()

    def _stay(self, text: str, *, err: bool) -> None:
        # The line is removed meanwhile: while it is shown, rich sends stdout to its own console.
        self.end()
        click.echo(text, err=err)
        if self._status is not None:
            self._status.start()
