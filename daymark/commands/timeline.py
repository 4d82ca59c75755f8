"""`daymark timeline`: the output topics as tables and as pages (contract, section 8; docs/timeline.md)."""

import sys

import click

from daymark import logs
from daymark.settings import from_environment


@click.command()
@click.argument("endpoints", metavar="[HOST:PORT]...", nargs=-1)
@click.option("--no-pages", is_flag=True, help="Keep the database up to date, and serve nothing.")
def command(endpoints: tuple[str, ...], *, no_pages: bool) -> None:
    """Serve pages of timelines, audiences and deliveries.

    Reads timeline.interactions, contact.traits and segment.rejected into SQLite or PostgreSQL (DAYMARK_TIMELINE), each
    record once, and goes on where it was after any crash. It joins no group, and moves nobody's offsets; a second
    process on the same database stands by.

    The pages are at DAYMARK_TIMELINE_HTTP, http://127.0.0.1:8090. Elsewhere than on loopback they need
    DAYMARK_TIMELINE_TOKEN, or a proxy that signs people in. Figures are read from the metrics at each HOST:PORT
    (DAYMARK_ADMIN of each ingest and worker); dns+HOST:PORT means every address of that name, such as a headless
    Service's; without any, from those of a running `daymark up`.
    """
    found = from_environment()
    logs.configure(found.log_format, found.log_level)
    try:
        from daymark import timeline_wiring  # noqa: PLC0415  an extra
    except ModuleNotFoundError as error:
        raise click.ClickException(f"{error.name} is not installed; install daymark[timeline]") from None
    sys.exit(timeline_wiring.run(found, endpoints, with_pages=not no_pages))
