"""`daymark doctor`: checks everything that a worker depends on, and says what to do (contract, section 8)."""

import json
from typing import Any

import click
import msgspec

from daymark import settings
from daymark.checkup.findings import Finding, State, lines
from daymark.checkup.looking import look
from daymark.checkup.sources import Source, sources
from daymark.statuses import SomethingWrong


@click.command()
@click.option("--json", "as_line", is_flag=True, help="One line of JSON.")
def command(*, as_line: bool) -> None:
    """Check settings, Kafka, the group and the store; say what to do.

    Each finding is ok, a warning (works, but should be changed) or a fault (does not work, or breaks the guarantee).
    The exit status is 3 when there is a fault. Changes nothing and shows no secrets. Run it with a worker's settings
    and as its user.
    """
    found = settings.from_environment()
    told = [*sources(found, settings.origins())]
    findings = look(found)
    if as_line:
        said: Any = {
            "settings": [source._asdict() for source in told],
            "findings": msgspec.to_builtins(findings),
        }
        click.echo(json.dumps(said))
    else:
        _show(told, findings)
    if faults := sum(finding.state is State.FAULT for finding in findings):
        raise SomethingWrong(f"{faults} faults; see above")


def _show(told: list[Source], findings: list[Finding]) -> None:
    for source in told:
        if source.origin != "default":
            click.echo(f"{'':<8} {source.variable} = {source.value}  ({source.origin})")
    for line in lines(findings):
        click.echo(line)
    counts = ", ".join(f"{sum(finding.state is state for finding in findings)} {state}" for state in State)
    click.echo(counts)
