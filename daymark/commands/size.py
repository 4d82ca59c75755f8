"""`daymark size`: what a load needs, from measured figures (contract, section 8). Reads options and shows."""

from collections.abc import Callable
from math import isfinite
from typing import Any, Final

import click

from daymark.output import standard_output
from daymark.sizing import measured, quantities
from daymark.sizing.estimate import DAY_S, Load, estimate
from daymark.sizing.report import as_json, as_table

_HOUR_S: Final = 3600


class _Quantity(click.ParamType):  # type: ignore[type-arg]  # generic in newer versions of click only
    """Text such as 50M, as a number."""

    def __init__(self, name: str, read: Callable[[str], float]) -> None:
        self.name, self._read = name, read

    def convert(self, value: Any, parameter: click.Parameter | None, context: click.Context | None) -> float:
        if not isinstance(value, str):
            return float(value)
        try:
            return self._read(value)
        except ValueError as error:
            self.fail(f"{error}.", parameter, context)


class _Finite(click.FloatRange):
    """A number in a range, which NaN passes in click's."""

    def convert(self, value: Any, parameter: click.Parameter | None, context: click.Context | None) -> float:
        found: float = super().convert(value, parameter, context)
        return found if isfinite(found) else self.fail(f"{value!r} is not a number.", parameter, context)


@click.command()
@click.option("--contacts", type=_Quantity("number", quantities.count), required=True, help="Contacts, such as 50M.")
@click.option(
    "--syncs-per-day",
    type=_Finite(0, 1000, min_open=True),
    default=1.0,
    show_default=True,
    help="Identify calls of each contact and day.",
)
@click.option(
    "--peak",
    type=_Quantity("rate", quantities.rate),
    help="Events a second to keep up with, such as 200k/s.  [default: every contact within an hour]",
)
@click.option(
    "--properties",
    type=click.IntRange(0, 10_000),
    default=1,
    show_default=True,
    help="User properties of a contact (audiences, computed traits); 0: none.",
)
@click.option(
    "--batched/--single",
    default=False,
    show_default=True,
    help="Whether senders batch their events, by a hundred or more, or send one a request.",
)
@click.option(
    "--rejected",
    type=_Finite(0, 1),
    default=0.01,
    show_default=True,
    help="Share of events that is rejected.",
)
@click.option("--replication", type=click.IntRange(1, 10), default=3, show_default=True, help="Replicas of each topic.")
@click.option(
    "--retention-days",
    type=click.IntRange(1, 3650),
    default=30,
    show_default=True,
    help="Retention of raw and of rejected events.",
)
@click.option("--claim-days", type=click.IntRange(1, 3650), default=8, show_default=True, help="DAYMARK_CLAIM_DAYS.")
@click.option(
    "--margin",
    type=_Finite(1, 100),
    default=1.5,
    show_default=True,
    help="Factor of safety on load and sizes; 1 is none.",
)
@click.option("--json", "as_line", is_flag=True, help="One line of JSON.")
def command(contacts: float, peak: float | None, *, as_line: bool, **given: Any) -> None:
    """Estimate partitions, workers, disk and memory for a load.

    Computed from measured figures; each line says how, and from which. Asks neither Kafka nor the store.
    """
    average = contacts * given["syncs_per_day"] / DAY_S
    if peak is not None and peak < average:
        raise click.BadParameter(
            f"{quantities.shown(peak)}/s is less than the average of a day, {quantities.shown(average)}/s: lag would "
            "only ever grow.",
            param_hint="'--peak'",
        )
    load = Load(int(contacts), peak_per_s=peak or max(contacts / _HOUR_S, average), **given)
    needs = estimate(load, measured.read())
    if as_line:
        click.echo(as_json(load, needs))
        return
    console = standard_output(highlight=False)
    console.print(as_table(needs))
