"""What any bytes must come to when they are taken apart as a batch: the oracle of the fuzzer and of tests/ingest.

By Python's own reader of JSON, whole and by the contract's words (section 2), where `ingest.batch` takes pains to keep
bytes. What that reader refuses may be refused, or be left to the judgement of each event.
"""

import json
from typing import Any, NoReturn

from ingest import answers, batch
from ingest.http.response import Refusal
from schemas.rejections import Reason

_MOST_BRACKETS = 500  # with more, how deep each reader goes is its own to say
_NOTHING = object()

MOST_EVENTS = 4_000


def merged(parts: batch.Parts) -> list[bytes]:
    """Return the events of a batch with its defaults under them."""
    return [batch.with_defaults(event, parts.defaults) for event in parts.events]


def check(body: bytes) -> None:
    """Hold the taking apart to its promises on one input: it never raises, says the same twice, and what is right."""
    found = _events(body)
    assert found == _events(body), "another answer the second time"
    value = _value(body)
    if value is not _NOTHING and body.count(b"{") + body.count(b"[") < _MOST_BRACKETS:
        expected = _expected(value)
        values = found if isinstance(found, Refusal) else [_value(event) for event in found]
        assert values == expected, f"{found}, not {expected}"


def _events(body: bytes) -> list[bytes] | Refusal:
    take = batch.take_list_apart if batch.is_list(body) else batch.take_apart
    parts = take(body, MOST_EVENTS)
    return parts if isinstance(parts, Refusal) else merged(parts)


def _expected(value: Any) -> list[Any] | Refusal:
    if isinstance(value, list):
        return _few(value)
    if not isinstance(value, dict):
        return answers.REASONS[Reason.NOT_AN_OBJECT]
    if not isinstance(value.get("batch"), list):
        return answers.MISSING_BATCH
    defaults = {name: value[name] for name in ("context", "integrations") if isinstance(value.get(name), dict)}
    return _few([_with(event, defaults) for event in value["batch"]])


def _few(events: list[Any]) -> list[Any] | Refusal:
    return events if len(events) <= MOST_EVENTS else answers.TOO_MANY_EVENTS


def _with(event: Any, defaults: dict[str, dict[str, Any]]) -> Any:
    """Return an event with defaults under it, one level deep."""
    if not isinstance(event, dict):
        return event
    own = {name: event.get(name, {}) for name, default in defaults.items() if default}
    return {**event, **{name: {**defaults[name], **has} for name, has in own.items() if isinstance(has, dict)}}


def _value(body: bytes) -> Any:
    try:
        return json.loads(
            body.decode(), parse_int=str, parse_float=str, parse_constant=_refuse, object_pairs_hook=_object
        )
    except (ValueError, RecursionError):
        return _NOTHING


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(found := dict(pairs)) < len(pairs):
        raise ValueError("a name stands twice: which one counts is each reader's to say")
    return found
