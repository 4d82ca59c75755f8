"""`daymark top`: what running parts do, from their metrics (contract, section 8)."""

import time
from collections.abc import Sequence

import click
import msgspec
from rich.live import Live

from daymark import settings
from daymark.figures.scrape import Scrape, addresses, scrapes
from daymark.figures.screen import shown
from daymark.figures.summary import Summary, summed
from daymark.output import standard_output


@click.command()
@click.argument("endpoints", metavar="[HOST:PORT]...", nargs=-1)
@click.option(
    "--interval", type=click.FloatRange(0.2), default=2.0, show_default=True, help="Seconds between two looks."
)
@click.option("--once", is_flag=True, help="Show one look, and end.")
@click.option("--json", "as_line", is_flag=True, help="One look as one line of JSON, and end.")
def command(endpoints: tuple[str, ...], *, interval: float, once: bool, as_line: bool) -> None:
    """Show live figures: rates, lag, outcomes, workers, the store.

    Reads the metrics at each HOST:PORT (DAYMARK_ADMIN of each ingest, worker and following audit); without any, those
    of a running `daymark up`; dns+HOST:PORT means every address of that name, such as a headless Service's. Ctrl-C
    ends it. Where the output is no terminal, it shows one look. The exit status is 1
    when no part answers.
    """
    urls = endpoints or tuple(url for up in settings.running_ups() for url in (up.at.admin, *up.workers))
    if not urls:
        raise click.UsageError("no running `daymark up` was found from here: name the parts, HOST:PORT of each.")
    console = standard_output()
    before = scrapes(addresses(urls))
    if once or as_line or not console.is_terminal:
        time.sleep(interval)
        summary = _since(before, scrapes(addresses(urls)))
        if as_line:
            click.echo(msgspec.json.encode(summary))
        else:
            console.print(shown(summary), highlight=False)
        _judge(summary)
        return
    with Live(console=console, screen=True, auto_refresh=False) as live:
        while True:
            time.sleep(interval)
            now = scrapes(addresses(urls))
            live.update(shown(_since(before, now)), refresh=True)
            before = now


def _since(before: Sequence[Scrape], now: Sequence[Scrape]) -> Summary:
    """Sum up two looks; names may have other addresses at the second one."""
    known = {each.url: each for each in before}
    return summed([known.get(each.url, each) for each in now], now)


def _judge(summary: Summary) -> None:
    if all(part.kind == "away" for part in summary.parts):
        raise click.ClickException("no part answers; is it running, and are these its DAYMARK_ADMIN addresses?")
