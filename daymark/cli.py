"""One program, one sub-command a job (contract, section 8). A sub-command's module loads when it is called."""

import importlib
import sys
from typing import Final

import click

from daymark.settings import SettingsFaults

# The module daymark.<name> holds the command as `command`; its help's first line is repeated here, so that
# `daymark --help` loads no driver. tests/daymark/test_cli.py holds the two together.
COMMANDS: Final = {
    "up": "Run everything on this machine: Kafka, Valkey, ingest, workers.",
    "ingest": "Run the HTTP API: events in, Kafka out.",
    "process": "Run workers: one interaction per contact per day.",
    "topics": "Create the topics that are missing and say what differs.",
    "keys": "Make, list and revoke the API keys of workspaces.",
    "workspaces": "Check a workspaces file before it is put in its place.",
    "simulate": "Send an Engage audience: its first sync, or its whole life.",
    "tail": "Show interactions, traits and rejections as they commit.",
    "audit": "Compare what is committed with what the raw events demand.",
}


class _Lazy(click.Group):
    def list_commands(self, _context: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, _context: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"daymark.{name}").command
        return command

    def format_commands(self, _context: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.command(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="daymark")
def program() -> None:
    """Daymark keeps one interaction per contact per day.

    Settings are environment variables DAYMARK_…; README.md lists them.
    """


def main() -> None:
    """Run the program: exit 0 on success, 1 on failure, 2 on bad use or settings, never with a traceback."""
    try:
        program.main(prog_name="daymark")
    except SettingsFaults as error:
        error.show()
        sys.exit(2)
