"""One program, one sub-command per task (contract, section 8). A sub-command's module is loaded when it is called."""

import errno
import importlib
import os
import signal
import sys
from typing import Final

import click

from daymark import statuses
from daymark.settings import SettingsFaults

# The module daymark.commands.<name> holds the command as `command`; its help's first line is repeated here, so that
# `daymark --help` loads no driver. tests/daymark/test_cli.py holds the two together.
COMMANDS: Final = {
    "up": "Run everything on this machine: Kafka, Valkey, ingest, workers.",
    "status": "Show the parts of a running `daymark up`, and how to reach them.",
    "top": "Show live figures: rates, lag, outcomes, workers, the store.",
    "ingest": "Run the HTTP API: events in, Kafka out.",
    "process": "Run workers: one interaction per contact per day.",
    "topics": "Create missing topics and report differences.",
    "keys": "Create, list and revoke API keys of workspaces.",
    "workspaces": "Check a workspaces file before deploying it.",
    "simulate": "Send an Engage audience: its first sync, or its whole life.",
    "tail": "Show interactions, traits and rejections as they commit.",
    "audit": "Compare committed results with what the raw events require.",
    "why": "Show what became of an event, and which one won the day.",
    "rejected": "Count, list, show and resend rejected events (dead letters).",
    "replay": "Replay events by resetting the consumer group's offsets.",
    "backfill": "Send identify calls from Segment's archive, each once.",
    "claims": "Count the store's claims, and restore those that it lost.",
    "timeline": "Serve pages of timelines, audiences and deliveries.",
    "forget": "Erase a contact's interactions and properties.",
    "doctor": "Check settings, Kafka, the group and the store; say what to do.",
    "size": "Estimate partitions, workers, disk and memory for a load.",
    "completion": "Print the completion script of bash, zsh or fish.",
}

# A file system that is full or not writable: for the user to fix, wherever it happens.
_DISK_FAULTS: Final = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EFBIG}


class _Lazy(click.Group):
    def list_commands(self, _context: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, _context: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"daymark.commands.{name}").command
        if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:  # set by daymark.__main__, until everything is loaded
            signal.signal(signal.SIGINT, signal.default_int_handler)
        return command

    def format_commands(self, _context: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(
    cls=_Lazy,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option(
    "-V", "--version", "wants_version", is_flag=True, help="Show the version; with --json, also those of libraries."
)
@click.option("--json", "as_line", is_flag=True, hidden=True)
@click.pass_context
def program(context: click.Context, *, wants_version: bool, as_line: bool) -> None:
    """Daymark keeps one interaction per contact per day.

    Settings are environment variables DAYMARK_…; docs/operations.md lists them. Exit status: 0 success, 1 failure,
    2 bad usage or settings, 3 a check found something wrong, 130 interrupted.
    """
    if wants_version:
        from daymark import versions  # noqa: PLC0415  asks the drivers

        click.echo(versions.as_json() if as_line else versions.as_text())
        context.exit()
    if as_line:
        raise click.UsageError("--json goes with --version here; commands have their own.")
    if context.invoked_subcommand is None:
        click.echo(context.get_help())
        context.exit(statuses.BAD_USE)


def main() -> int:
    """Run the program and return its exit status (`daymark.statuses`), without a traceback for user errors."""
    try:
        return program.main(prog_name="daymark", standalone_mode=False) or 0
    except SettingsFaults as error:
        error.show()
        return statuses.BAD_USE
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        return statuses.INTERRUPTED
    except BrokenPipeError:  # `daymark tail | head` has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return statuses.FAILED
    except OSError as error:
        if error.errno not in _DISK_FAULTS:
            raise
        click.ClickException(f"{error.filename or 'a file'}: {error.strerror}").show()
        return statuses.FAILED
