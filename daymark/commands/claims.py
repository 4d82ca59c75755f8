"""`daymark claims`: compares the store's claims with what was committed; restores lost ones (contract, section 8)."""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from functools import partial
from typing import Final, NamedTuple

import click
from confluent_kafka import TopicCollection

from daymark import bar, registry, settings, witness
from daymark.auditing import reading
from daymark.clients import Opened, opened
from daymark.kafka import client_config
from daymark.rebuilding.commitments import Commitments, Day, compare
from daymark.settings import Settings
from daymark.statuses import SomethingWrong
from processor import incarnation
from processor.claims import Claims, Lifetimes
from processor.decide import ContactDay
from processor.errors import ClaimsAway, Fatal, KafkaAway

_ANSWER_S: Final = 30.0
_BYTES: Final = (84, 103)  # of a claim (docs/store.md)


class _Ground(NamedTuple):
    """What was committed, by whom claims are asked for, and when this began."""

    found: Settings
    committed: Commitments
    kafka: str | None
    now_ms: int


@click.group()
def command() -> None:
    """Count the store's claims, and restore those that it lost."""


@command.command()
@click.option("--json", "as_line", is_flag=True, help="One line of JSON.")
def check(*, as_line: bool) -> None:
    """Count what was committed within the claims' lifetime, and what the store holds of it. Writes nothing.

    The exit status is 3 when claims are missing. A few may be, of contact-days that are being committed or expiring.
    """
    days = _checked()
    _show(days, as_line=as_line, executed=False)
    if any(day.missing for day in days):
        raise SomethingWrong("claims are missing: `daymark claims rebuild --execute` restores them")


@command.command()
@click.option("--execute", is_flag=True, help="Write. Without it, only show what is missing.")
@click.option("--force", is_flag=True, help="Write to a store that is not empty but has nothing of this installation.")
@click.option("--json", "as_line", is_flag=True, help="One line of JSON.")
def rebuild(*, execute: bool, force: bool, as_line: bool) -> None:
    """Restore claims from timeline.interactions and contact.traits, after the store has lost them.

    Emits nothing. Workers may run: a claim is only set where there is none, the newest day first, with its remaining
    lifetime. If it is interrupted, or the store fails meanwhile, run it again: existing claims are kept. What workers
    emitted a second time before a claim was restored stays in the topics; `daymark audit` finds it.
    """
    if not execute:
        _show(_checked(), as_line=as_line, executed=False)
        click.echo("Nothing was written; --execute restores the claims.", err=True)
        return
    with _ground() as ground:
        days = [*_rebuilt(ground, force=force)]
    _show(days, as_line=as_line, executed=True)


def _checked() -> list[Day]:
    with _ground() as ground, closing(_claims(ground.found, 0)) as claims:
        ages = range(ground.found.claim_days)
        return [compare(ground.committed.interactions(ground.now_ms, age), claims.holders, age) for age in ages]


def _rebuilt(ground: _Ground, *, force: bool) -> Iterator[Day]:
    """Set the claims of each day, then its clocks, and yield what there was of the claims before."""
    found = ground.found
    for age in range(max(found.claim_days, found.clock_days)):
        with closing(_claims(found, age)) as claims:
            if age == 0 and not force and claims.is_stranger():
                raise click.ClickException(
                    "the store is not empty, but has nothing of this installation: are DAYMARK_CLAIM_KEY and "
                    "DAYMARK_TOPIC_PREFIX those of the workers, and is it their database? --force writes anyway"
                )
            claims.introduce(ground.kafka, None, found.claims_moved_from)
            if age < found.claim_days:
                batches = ground.committed.interactions(ground.now_ms, age)
                yield compare(batches, partial(_claimed, claims), age)
            if age < found.clock_days:
                for batch in ground.committed.properties(ground.now_ms, age):
                    claims.claim({}, batch.clocks)


def _claimed(claims: Claims, owners: Mapping[ContactDay, bytes]) -> Sequence[bytes | None]:
    return claims.claim(owners, {}).holders


def _claims(found: Settings, age: int) -> Claims:
    """Return the store's claims, with what is left of their lifetime after so many days."""
    lifetimes = Lifetimes(max(1, found.claim_days - age), max(1, found.clock_days - age))
    return Claims(found.redis, found.claim_key, lifetimes, found.topics.prefix)


@contextmanager
def _ground() -> Iterator[_Ground]:
    found = settings.from_environment()
    topics = found.topics
    by_id = registry.lookup(found.schema_registry) if found.schema_registry else None
    try:
        with opened(found, found.group) as there, bar.shown() as shown:
            ends = {
                topic: reading.bounds(there.clients.uncommitted, topic, there.partitions[topic])
                for topic in (topics.interactions, topics.traits)
            }
            mark, kafka = (
                _mark(there, topics.events),
                witness.ask(client_config(found), found.group, topics.events).kafka,
            )
            backfill = _mark(there, topics.backfill) if topics.backfill in there.partitions else b""
            committed = Commitments(there.clients.committed, ends, topics, mark, backfill, by_id=by_id, bar=shown)
            yield _Ground(found, committed, kafka, time.time_ns() // 1_000_000)
    except ClaimsAway as error:
        raise click.ClickException(f"{error}; run it again: existing claims are kept") from None
    except (Fatal, KafkaAway) as error:
        raise click.ClickException(str(error)) from None


def _mark(there: Opened, topic: str) -> bytes:
    asked = there.clients.admin.describe_topics(TopicCollection([topic]), request_timeout=_ANSWER_S)
    return incarnation.mark(asked[topic].result().topic_id)


def _show(days: list[Day], *, as_line: bool, executed: bool) -> None:
    total = sum(day.total for day in days)
    if as_line:
        said = [{**day._asdict(), "total": day.total} for day in days]
        sizes = [each * total for each in _BYTES]
        click.echo(json.dumps({"executed": executed, "records": total, "bytes": sizes, "days": said}))
        return
    missing = "set now" if executed else "missing"
    click.echo(f"{'committed':<16}{'records':>12}{'held':>12}{'by another':>12}{missing:>12}")
    for day in days:
        when = "last 24 hours" if day.age == 0 else f"{day.age} to {day.age + 1} days ago"
        click.echo(f"{when:<16}{day.total:>12,}{day.own:>12,}{day.other:>12,}{day.missing:>12,}")
    least, most = (each * total / 1e6 for each in _BYTES)
    click.echo(f"Their claims take {least:,.1f} to {most:,.1f} MB of the store; less where days were emitted again.")
