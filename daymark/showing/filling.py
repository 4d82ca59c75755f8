"""Fills the sources of the pages from the settings."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager

import click

from daymark import registry
from daymark.checkup import looking
from daymark.clients import Opened, opened
from daymark.settings import Settings
from daymark.showing.asking import Why, mark
from daymark.showing.events import Events
from daymark.showing.figures import Figures
from daymark.workspaces_file import WorkspacesFile
from schemas.workspace import Workspaces
from timeline.web.sources import Finding, Sources, Unavailable


@contextmanager
def filled(found: Settings, urls: Callable[[], Sequence[str]]) -> Iterator[Sources]:
    """Fill the sources; what they open is closed in the end.

    Args:
        found: the settings.
        urls: names the metrics of all parts.
    """
    file = WorkspacesFile(found.workspaces) if found.workspaces else None
    by_id = registry.lookup(found.schema_registry) if found.schema_registry else None

    def workspaces() -> Workspaces:
        return file.current() if file else Workspaces()

    def opening() -> AbstractContextManager[Opened]:
        return opened(found, found.group)

    figures = Figures(urls)
    events, searched = (Events(found.topics, opening, workspaces) for _ in range(2))  # a search keeps nobody waiting
    try:
        yield Sources(
            look=figures.look,
            alerts=figures.alerts,
            doctor=lambda: _findings(found),
            why=Why(found, opening, workspaces, by_id).ask,
            near=searched.near,
            latest=searched.latest,
            newest=events.newest,
            event=events.at,
            mark=lambda raw, reason, workspace: mark(raw, reason, workspace, workspaces()),
            zone=lambda name: workspaces().get(name).time_zone,
        )
    finally:
        events.close()
        searched.close()


def _findings(found: Settings) -> list[Finding]:
    try:
        return [Finding(each.about, str(each.state), each.said, each.advice) for each in looking.look(found)]
    except click.ClickException as error:
        raise Unavailable(error.message) from None
