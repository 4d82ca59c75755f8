"""`daymark why`: shows what became of an event, from the topics alone (contract, section 8)."""

import json
import time
from typing import Any, Final

import click

from daymark import bar, registry, settings
from daymark.auditing.scope import Period
from daymark.auditing.truth import Truth
from daymark.clients import opened
from daymark.inquiry import report
from daymark.inquiry.fates import Verdict
from daymark.inquiry.search import Answer, Question, Search
from daymark.instant import Instant
from daymark.statuses import SomethingWrong
from daymark.workspaces_file import WorkspacesFile
from schemas.workspace import Workspaces

_DEFAULT_MS: Final = 3 * 86_400_000


@click.command()
@click.argument("what", metavar="EMAIL|MESSAGE_ID")
@click.option("--workspace", help="Only this workspace.")
@click.option(
    "--since", type=Instant(), help="Only events received since 2026-11-24, 2026-11-24T12:00Z or -2h.  [default: -3d]"
)
@click.option("--until", type=Instant(), help="Only events received before this time.")
@click.option(
    "--last",
    type=click.IntRange(1, 10_000),
    default=20,
    show_default=True,
    help="At most this many events, the newest.",
)
@click.option("--everywhere", is_flag=True, help="Search every partition for a contact, not only that of its key.")
@click.option("--group", help="Consumer group.  [default: DAYMARK_GROUP]")
@click.option("--json", "as_line", is_flag=True, help="One line of JSON.")
def command(what: str, **options: Any) -> None:
    """Show what became of an event, and which one won the day.

    Finds a contact's events, or those with a message id, in segment.events, and shows for each: taken; a duplicate,
    and of which event; rejected, and why; still to be read; and, of a property, what superseded it. Also finds what
    ingest refused. The exit status is 3 when nothing is found, or the result that an event requires is missing.

    A contact's events are in one partition, and are found quickly; for a message id all partitions are read, so a
    short --since helps. No offsets are moved; it may run alongside the workers.
    """
    found = settings.from_environment()
    since_ms = time.time_ns() // 1_000_000 - _DEFAULT_MS if options["since"] is None else options["since"]
    if options["until"] is not None and since_ms >= options["until"]:
        raise click.UsageError("--since must be before --until.")
    question, group = Question.of(what.strip(), options["workspace"]), options["group"] or found.group
    workspaces = WorkspacesFile(found.workspaces).current() if found.workspaces else Workspaces()
    by_id = registry.lookup(found.schema_registry) if found.schema_registry else None
    with opened(found, group) as there, bar.shown() as shown:
        lifetime = max(found.claim_days, found.clock_days)
        search = Search(
            there.clients,
            found.topics,
            there.partitions,
            Truth(workspaces),
            by_id,
            lifetime_days=lifetime,
            bar=shown,
        )
        period = Period(since_ms, options["until"])
        answer = search.ask(question, period, options["last"], everywhere=options["everywhere"])
    if options["as_line"]:
        click.echo(json.dumps(report.as_json(question, group, answer)))
    else:
        for line in report.as_lines(question, group, answer):
            click.echo(line)
    _judge(answer)


def _judge(answer: Answer) -> None:
    missing = sum(fate.verdict is Verdict.MISSING for fate in answer.events)
    if missing:
        raise SomethingWrong(f"the results of {missing:,} of these events were not found")
    if not answer.events and not answer.refused:
        raise SomethingWrong("nothing was found")
