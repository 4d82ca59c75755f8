"""`daymark forget`: a contact is erased from the output topics (contract, section 8)."""

import json
import time
from collections import Counter
from collections.abc import Sequence
from typing import Final

import click
import msgspec

from daymark import bar, registry, settings
from daymark.auditing import reading
from daymark.clients import Opened, opened
from daymark.forgetting import ageing
from daymark.forgetting.ageing import Ageing
from daymark.forgetting.erasing import Eraser, NotErased
from daymark.forgetting.holdings import Holdings, Search
from daymark.kafka import command_config
from schemas import contact
from schemas.forgotten import Thing

_PLURALS: Final = {Thing.INTERACTION: "interactions", Thing.PROPERTY: "properties"}


@click.command()
@click.argument("email")
@click.option("--workspace", help="Only this workspace.  [default: all]")
@click.option("--execute", is_flag=True, help="Erase. Without it, only show what would be erased.")
@click.option("--json", "as_line", is_flag=True, help="One line of JSON.")
def command(email: str, *, workspace: str | None, execute: bool, as_line: bool) -> None:
    """Erase a contact's interactions and properties.

    Reads timeline.interactions and contact.traits, and writes a tombstone under every key of the contact, with a mark
    in segment.rejected by which `daymark audit` recognises it, all in one transaction. Run it again, even after a kill,
    and it does what is left. Workers may run. Claims are kept, so late repeats of a forgotten day do not bring it back
    while the claim lives (DAYMARK_CLAIM_DAYS). Events of other days are new data, and so is a newer property change.

    The raw events stay in segment.events and segment.rejected until retention deletes them: the output says when. A
    replay brings the contact back: `daymark audit` finds that ("returned"), and running this again erases it again.
    """
    contact_email = contact.normalise(email)
    if contact_email is None:
        raise click.BadParameter("not an e-mail address.", param_hint="EMAIL")
    found = settings.from_environment()
    by_id = registry.lookup(found.schema_registry) if found.schema_registry else None
    with opened(found, found.group) as there, bar.shown() as shown:
        search = Search(there.clients, found.topics, there.partitions, contact_email, workspace, by_id=by_id, bar=shown)
        if execute:
            try:
                held = Eraser(command_config(found), found.topics, search.find).erase()
            except NotErased as error:
                raise click.ClickException(str(error)) from None
        else:
            held = search.find()
        aged, unread = ageing.ages(there.clients.admin, found.topics), _unread(there, found.topics.events)
    if as_line:
        _say_json(held, aged, unread, executed=execute)
        return
    _say(held, executed=execute)
    for line in ageing.lines(aged, found.topics, time.time_ns() // 1_000_000):
        click.echo(line)
    if unread:
        click.echo(
            f"{found.group} has yet to read {unread:,} events; if the contact's are among them, "
            "run this again once they are read."
        )


def _say(held: Holdings, *, executed: bool) -> None:
    counts = {thing: Counter(each.workspace for each in held.of(thing)) for thing in Thing}
    if held.held:
        names = sorted(set().union(*counts.values()))
        click.echo(f"{'workspace':<32}{'interactions':>14}{'properties':>14}")
        for name in names:
            click.echo(f"{name:<32}{counts[Thing.INTERACTION][name]:>14,}{counts[Thing.PROPERTY][name]:>14,}")
    if held.unreadable:
        click.echo(f"{held.unreadable:,} records that name the contact cannot be decoded; is a registry set?", err=True)
    if not held.held:
        click.echo("The output topics hold nothing of this contact.")
    elif executed:
        click.echo(f"{len(held.held):,} keys were erased by tombstones.")
    else:
        click.echo("Nothing was erased; --execute erases.")


def _say_json(held: Holdings, aged: Sequence[Ageing], unread: int, *, executed: bool) -> None:
    names = sorted({each.workspace for each in held.held})
    workspaces = {name: dict.fromkeys(_PLURALS.values(), 0) for name in names}
    for each in held.held:
        workspaces[each.workspace][_PLURALS[each.thing]] += 1
    said = {
        "executed": executed,
        "keys": len(held.held),
        "records": sum(each.records for each in held.held),
        "workspaces": workspaces,
        "unreadable": held.unreadable,
        "unread": unread,
        "ageing": msgspec.to_builtins(aged),
    }
    click.echo(json.dumps(said))


def _unread(there: Opened, topic: str) -> int:
    """Return how many events the group has yet to read."""
    ends = reading.bounds(there.clients.uncommitted, topic, there.partitions[topic])
    stands = reading.committed(there.clients.committed, topic, ends)
    return sum(end - max(first, stands[number] or 0) for number, (first, end) in ends.items())
