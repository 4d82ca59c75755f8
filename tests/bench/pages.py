"""How long each page of `daymark timeline` takes over 1,000,000 interactions, from request to the last byte.

In process: what uvicorn and the network add is left out, as are figures and events, which the parts are asked for.
"""

import asyncio
import random
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import httpx

from schemas.interaction import interaction_id
from tests.bench import ground
from tests.bench.figures import Row
from tests.bench.options import Options
from tests.timeline.web.showcase import Made
from timeline import store
from timeline.store import Store
from timeline.store.batches import Batch, Change, Interaction
from timeline.store.keys import ContactKeys, property_key
from timeline.store.writing import Writer
from timeline.web.app import make
from timeline.web.audiences import key as audience_key

_CONTACTS, _EACH, _REJECTIONS, _AUDIENCES = 50_000, 20, 100_000, 8
_ROUND, _REQUESTS = 1_000, 100  # contacts in a batch; requests for each page
_WORKSPACE, _DAY_MS = "demo", 86_400_000
_KEY: Final = ContactKeys(b"of the benchmark").of
_REASONS: Final = ("missing_email", "invalid_timestamp", "malformed_json")
_TODAY = datetime.now(UTC).date()
_NOW_MS: Final = int(datetime.now(UTC).timestamp() * 1000)


def run(options: Options, part: str) -> list[Row]:
    """Return the median and the 95th percentile of each page."""
    with ground.folder() as folder, store.opened(f"sqlite:///{folder}/timeline.db") as there:
        options.say(f"{part}: pages over {_CONTACTS * _EACH:,} interactions")
        _fill(there)
        times = asyncio.run(_visit(there))
    case = f"pages over {_CONTACTS * _EACH:,} interactions, SQLite"
    return [
        Row(part, page, f"p{share}", "ms", (sorted(took)[len(took) * share // 100],), case)
        for page, took in times.items()
        for share in (50, 95)
    ]


def _fill(there: Store) -> None:
    writer, draw = Writer(there.url), random.Random(3)
    for first in range(0, _CONTACTS, _ROUND):
        batch = Batch()
        for number in range(first, first + _ROUND):
            email = _email(number)
            for ago in {draw.randrange(365) for _ in range(_EACH)} if number else range(365):
                _interact(batch, email, ago)
            for at in range(_AUDIENCES):
                _member(batch, email, f"audience {at}", _NOW_MS - draw.randrange(90 * _DAY_MS), draw.random() < 0.8)
        batch.rejections += [_rejection(at) for at in range(first * 2, (first + _ROUND) * 2)]
        writer.write(batch, _NOW_MS)
    writer.close()


def _email(number: int) -> str:
    return f"{number * 7919 % _CONTACTS:05}.contact@example.com"


def _interact(batch: Batch, email: str, ago: int) -> None:
    day = _TODAY - timedelta(ago)
    identity = interaction_id(_WORKSPACE, email, day.toordinal() - 719_163)
    key, at_ms = _KEY(_WORKSPACE, email), _NOW_MS - ago * _DAY_MS
    url = f"https://shop.example/products/{ago}"
    places = ago % 12, at_ms % 1_000_000, ago % 12, at_ms % 1_000_000
    said = url, "url", url, None, f"ajs-{identity}", at_ms, at_ms
    batch.interaction(Interaction(identity, key, _WORKSPACE, day.isoformat(), at_ms, *said, *places), email)


def _member(batch: Batch, email: str, name: str, at_ms: int, entered: bool) -> None:  # noqa: FBT001
    key, said = property_key(f"{email} {name}".encode()), "true" if entered else "false"
    known = _KEY(_WORKSPACE, email), _WORKSPACE, name, "audience", said, entered, at_ms
    batch.change(Change(key, *known, None, 0, 0), email)


def _rejection(number: int) -> Mapping[str, Any]:
    return {
        "record_partition": number % 12,
        "record_offset": number,
        "reason": _REASONS[number % len(_REASONS)],
        "message": "Missing email address",
        "stage": "processor",
        "workspace": _WORKSPACE,
        "raw": b'{"type": "identify", "messageId": "lost-%d", "traits": {}}' % number,
        "received_at_ms": _NOW_MS,
        "rejected_at_ms": _NOW_MS - (_REJECTIONS - number) * 1_000,
        "source_partition": number % 12,
        "source_offset": number,
        "resent": False,
    }


def _pages() -> Mapping[str, tuple[str, ...]]:
    """Return each page, and addresses of it."""
    keys = [_KEY(_WORKSPACE, _email(number)) for number in range(0, _CONTACTS, _CONTACTS // 50)]
    audience = f"/audiences/{audience_key(_WORKSPACE, 'audience 3')}"
    return {
        "overview": ("/",),
        "contact": tuple(f"/contacts/{key}" for key in keys[1:]),
        "contact of every day": (f"/contacts/{keys[0]}",),
        "audiences": ("/audiences",),
        "audience": (audience, f"{audience}?step=day"),
        "deliveries": ("/deliveries",),
        "deliveries of a workspace": (f"/deliveries?workspace={_WORKSPACE}", "/deliveries?workspace=another"),
        "deliveries, rejected": ("/deliveries?outcome=rejected", f"/deliveries?reason={_REASONS[1]}"),
        "deliveries of a contact": tuple(f"/deliveries?contact={key}" for key in keys),
        "deliveries of a message id": ("/deliveries?message_id=lost-5", "/deliveries?message_id=nobody"),
        "dead letter": ("/rejected/7:7", "/rejected/11:1511"),
    }


async def _visit(there: Store) -> Mapping[str, list[float]]:
    """Return how long the requests for each page took, in ms."""
    app = make(there, Made().sources(), look_every_s=3600)
    found: dict[str, list[float]] = {}
    base = "http://127.0.0.1"
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=base) as web,
    ):
        for page, addresses in _pages().items():
            took = found.setdefault(page, [])
            for number in range(_REQUESTS):
                began = time.perf_counter()
                answer = await web.get(addresses[number % len(addresses)])
                took.append((time.perf_counter() - began) * 1000)
                assert answer.status_code == 200, (page, answer.status_code)
        took = found.setdefault("search", [])
        for number in range(_REQUESTS):
            began = time.perf_counter()
            answer = await web.post("/contacts", data={"prefix": _email(number * 97)[: 1 + number % 6]})
            took.append((time.perf_counter() - began) * 1000)
            assert answer.status_code == 200
    return found
