"""`daymark workspaces`: checks a workspaces file before it is deployed (contract, section 9)."""

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import click
from rich.table import Table
from rich.text import Text

from daymark import samples
from daymark.output import standard_output
from daymark.samples import DryRun
from daymark.statuses import SomethingWrong
from daymark.workspaces_file import read
from schemas.workspace import PLAIN, Workspace

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


class _Checked(NamedTuple):
    """A workspace, and what it makes of the samples."""

    workspace: Workspace
    found: DryRun

    @property
    def is_blind(self) -> bool:
        """Whether its format reads none of the samples."""
        return self.workspace.format is not None and self.found.read == 0


@click.group()
def command() -> None:
    """Check a workspaces file before deploying it.

    A running Daymark reloads a changed file within a second. An invalid one is refused, and the previous one stays in
    force.
    """


@command.command()
@click.argument("path", metavar="FILE", type=_FILE)
@click.option(
    "--events",
    type=_FILE,
    help=f"Events to try, one per line, at most {samples.MOST_SAMPLES:,}.  [default: Daymark's own examples]",
)
@click.option("--json", "as_line", is_flag=True, help="One line of JSON.")
def check(path: Path, events: Path | None, *, as_line: bool) -> None:
    """Show what FILE configures for each workspace, and try its formats on events.

    The exit status is 2 when the file is invalid, and 3 when a format matches none of the events.
    """
    workspaces = read(path).by_name.values()
    tried = samples.of_file(events, time.time_ns() // 1_000_000) if events else samples.examples()
    if not tried:
        raise click.ClickException(f"{events} contains no event.")
    checked = [_Checked(workspace, samples.dry_run(workspace, tried)) for workspace in workspaces]
    if as_line:
        click.echo(json.dumps([_row(each) for each in checked]))
    else:
        _show(checked, samples.dry_run(PLAIN, tried), every=events is not None)
    blind = [each.workspace.name for each in checked if each.is_blind]
    if blind:
        advice = "" if events else " If your events look different, try them: --events FILE, one event per line."
        raise SomethingWrong(f"the format of {', '.join(blind)} matches none of {len(tried)} events.{advice}")


def _row(checked: _Checked) -> dict[str, Any]:
    workspace = checked.workspace
    return {
        "workspace": workspace.name,
        "keys": len(workspace.keys),
        "time_zone": workspace.time_zone,
        "standard_message": workspace.standard_message,
        "rate_per_second": workspace.rate_per_second,
        "signed": workspace.is_signed,
        "audiences": list(workspace.audiences),
        "format": dict(workspace.format.texts) if workspace.format else None,
        "events": checked.found._asdict(),
    }


def _show(checked: Sequence[_Checked], plain: DryRun, *, every: bool) -> None:
    console = standard_output()
    for each in checked:
        console.print(each.workspace.name, style="bold", markup=False, highlight=False)
        console.print(_settings(each.workspace))
        if each.workspace.format or every:
            console.print(_tried(each.found, plain))
        console.print()
    if not checked:
        console.print("No workspaces: every API key would be refused.")


def _settings(workspace: Workspace) -> Table:
    rate = workspace.rate_per_second
    rows = {
        "keys": str(len(workspace.keys) or "none: it cannot send events"),
        "time zone": workspace.time_zone,
        "standard message": workspace.standard_message,
        "rate": "no limit" if rate is None else f"{rate:,g} events per second",
        "signatures": "required" if workspace.is_signed else "not checked",
        "audiences": ", ".join(workspace.audiences) or "none",
        "format": "default",
    }
    if workspace.format:
        del rows["format"]
        rows |= {f"{field} is": text for field, text in workspace.format.texts.items()}
    table = Table(box=None, show_header=False)
    for name, text in rows.items():
        table.add_row(name, Text(text))  # brackets of JMESPath are no mark-up
    return table


def _tried(found: DryRun, plain: DryRun) -> Table:
    """Return what becomes of the events beside what would without any format."""
    table = Table(f"Of {plain.read + sum(plain.rejected.values())} events", "Here", "Without a format", box=None)
    table.add_row("read", str(found.read), str(plain.read))
    for reason in dict.fromkeys((*found.rejected, *plain.rejected)):
        table.add_row(reason, str(found.rejected.get(reason, 0)), str(plain.rejected.get(reason, 0)))
    return table
