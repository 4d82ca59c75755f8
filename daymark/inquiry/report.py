"""What became of events, for people and for programs. Shows, does not judge."""

import json
from collections.abc import Iterator
from datetime import date
from typing import Any, Final

import msgspec

from daymark import instant
from daymark.inquiry.fates import Emitted, Fate, Property, Standing, Verdict
from daymark.inquiry.search import Answer, Question
from daymark.shown import printable

_EPOCH_ORDINAL: Final = date(1970, 1, 1).toordinal()


def as_json(question: Question, group: str, answer: Answer) -> dict[str, Any]:
    """Return everything as JSON: instants in UTC, coordinates as partition:offset."""
    found: dict[str, Any] = msgspec.to_builtins(answer)
    return {"email": question.email, "message_id": question.message_id, "group": group, **_dated(found)}


def as_lines(question: Question, group: str, answer: Answer) -> Iterator[str]:
    """Yield lines for a person, the oldest event first."""
    if answer.older:
        yield f"{answer.older:,} older events are not shown (--last shows more)."
    for fate in answer.events:
        yield from map(printable, _event(fate, group))
    for refused in answer.refused:
        where = f"refused by ingest, workspace {refused.workspace}"
        yield printable(f"{instant.shown(refused.refused_at_ms)}  {where}: {refused.reason}: {refused.message}")
        yield f"    segment.rejected {refused.record}; `daymark rejected show {refused.record}` shows it"
    if not answer.events and not answer.refused:
        yield from _nothing(question, group, answer)
    elif answer.lag:
        yield f"{group} has yet to commit {answer.lag:,} events of what was read here."


def _event(fate: Fate, group: str) -> Iterator[str]:
    said = f", timestamp {instant.shown(fate.timestamp_ms)}" if fate.timestamp_ms is not None else ""
    named = f", message {fate.message_id}" if fate.message_id else ""
    who = f"{fate.email}, " if fate.email else ""
    came = instant.shown(fate.appended_ms if fate.received_at_ms is None else fate.received_at_ms)
    yield f"{came}  event {fate.source}  ({who}workspace {fate.workspace}{said}{named})"
    yield f"    {_verdict(fate, group)}"
    for each in fate.properties:
        yield f"    {_property(each, group)}"


def _verdict(fate: Fate, group: str) -> str:
    day, winner = _day(fate.day), fate.winner
    match fate.verdict:
        case Verdict.TAKEN if winner:
            return f"taken: it is the interaction of {day}, {_record('timeline.interactions', winner)}"
        case Verdict.DUPLICATE if winner:
            repeated = (
                ", a repeat of the same message" if fate.message_id and fate.message_id == winner.message_id else ""
            )
            return f"a duplicate{repeated}: {_winner(winner)} won {day}, {_record('timeline.interactions', winner)}"
        case Verdict.REJECTED:
            return f"rejected: {fate.reason}: {fate.message} (segment.rejected {fate.rejected_at})"
        case Verdict.UNREAD:
            foreseen = f"; it will be rejected: {fate.reason}: {fate.message}" if fate.reason else ""
            foreseen = f"; {_winner(winner)} has won {day} already" if winner else foreseen
            return f"still to be read: {group} has {fate.ahead:,} events to commit up to it{foreseen}"
        case Verdict.FORGOTTEN:
            return f"forgotten: what came of {day} was erased by `daymark forget`"
        case _:
            what = f"it reads as {fate.reason} now, and no rejection" if fate.reason else f"no interaction of {day}"
            return f"missing: {group} has committed it, but {what} was found; run `daymark audit`"


def _property(each: Property, group: str) -> str:
    said = f"property {each.name} = {json.dumps(each.value, ensure_ascii=False)}: "
    match each.standing:
        case Standing.CURRENT if each.newest:
            return f"{said}current, {_record('contact.traits', each.newest)}"
        case Standing.SUPERSEDED if each.newest:
            return f"{said}superseded by {_winner(each.newest)}, {_record('contact.traits', each.newest)}"
        case Standing.UNREAD:
            return f"{said}still to be read by {group}"
        case Standing.FORGOTTEN:
            return f"{said}forgotten: it was erased by `daymark forget`"
        case _:
            return f"{said}missing: no record of it was found; run `daymark audit`"


def _winner(winner: Emitted) -> str:
    named = f", message {winner.message_id}" if winner.message_id else ""
    return f"event {winner.source} (of {instant.shown(winner.timestamp_ms)}{named})"


def _record(topic: str, record: Emitted) -> str:
    return f"{topic} {record.record}, emitted at {instant.shown(record.emitted_at_ms)}"


def _nothing(question: Question, group: str, answer: Answer) -> Iterator[str]:
    what = question.email or f"message {question.message_id}"
    where = f"partition {answer.partitions[0]}" if len(answer.partitions) == 1 else "all partitions"
    yield printable(f"Nothing of {what} since {instant.shown(answer.since_ms)}, in {where} of segment.events.")
    yield (
        "It was never received, was received earlier (--since), or was refused for lack of a valid API key, which "
        "leaves only a metric."
    )
    if answer.lag:
        yield f"{group} has yet to commit {answer.lag:,} events there; they were searched, too."


def _dated(value: Any) -> Any:
    """Return JSON with milliseconds and days converted to instants and dates."""
    if isinstance(value, dict):
        return {name.removesuffix("_ms"): _plain(name, each) for name, each in value.items()}
    return [_dated(each) for each in value] if isinstance(value, list | tuple) else value


def _plain(name: str, value: Any) -> Any:
    if name.endswith("_ms"):
        return None if value is None else instant.shown(value)
    return _day(value) if name == "day" and value is not None else _dated(value)


def _day(days: int | None) -> str:
    return "-" if days is None else date.fromordinal(days + _EPOCH_ORDINAL).isoformat()
