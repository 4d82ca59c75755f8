"""A load of its own maker: shapes drawn at random from senders that are documented or were measured.

Nothing here knows which fields Daymark lists or which path of its reader they take. Every event that is not broken is
of a contact of the audience; every contact comes on every day at least once, in an order that chance makes; what is
broken is of people who are not in it, so that one taken by mistake shows as an interaction too many.

Invariant: the same mix gives the same bytes in the same order.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import date
from random import Random
from typing import Any, Final, NamedTuple, TypeVar

import msgspec

from daymark.simulation import order, people
from tests.bench import senders
from tests.bench.senders import Fields, Moment

_Choice = TypeVar("_Choice")

SEED: Final = 14
FIRST_DAY: Final = date(2024, 5, 3)
FIRST_DAY_NUMBER: Final = (FIRST_DAY - date(1970, 1, 1)).days
_DAY_MS: Final = 86_400_000
_SPAN_MS: Final = 23 * 3_600_000

# In percent. An audience sync is Engage's alone.
_SENDERS: Final[dict[Callable[[Random, str, Moment], Fields], int]] = {
    senders.engage: 60,
    senders.browser: 15,
    senders.node: 8,
    senders.rudder_python: 7,
    senders.rudder_node: 5,
    senders.tester: 5,
}
_PLACES: Final = {"in traits": 80, "in context.traits": 10, "at the top": 10}
_SHOUTED, _KEYS, _OFFSETS, _BROKEN, _UNLISTED, _FIRSTS = 0.05, 0.01, 0.01, 0.02, 0.2, 0.3
_COMPUTED: Final[dict[str, tuple[str, Callable[[Random], Any]]]] = {  # a computation's key, its class and its value
    "order_completed_last_30days": ("audience", lambda chance: chance.random() < 0.8),
    "vip": ("audience", lambda chance: chance.random() < 0.8),
    "eg_lcm_user_portal_roles_partial_access": ("audience", lambda chance: chance.random() < 0.8),
    "total_revenue_180_days": ("trait", lambda chance: round(chance.random() * 1000, 2)),
}

_sorted, _as_given = msgspec.json.Encoder(order="sorted").encode, msgspec.json.encode


class Mix(NamedTuple):
    """How much of what.

    Attributes:
        events: all of them, the broken ones included.
        days: one after the other, each with as many events.
        computed: whether each carries a property that Engage computed; then all are Engage's.
        unlisted: the share that carries a field or an object that no document of Segment's lists.
        context: whether that is always an object in `context`.
        broken: the share that must be refused.
        seed: of every draw.
        dated: whether each has a `timestamp`, which older states of Daymark cannot do without.
    """

    events: int
    days: int = 10
    computed: bool = False
    unlisted: float = _UNLISTED
    context: bool = False
    broken: float = _BROKEN
    seed: int = SEED
    dated: bool = False

    @property
    def contacts(self) -> int:
        """How many people the audience has."""
        return max(1, round(self.events * _FIRSTS / self.days))


class Drawn(NamedTuple):
    """An event; `contact` is the normalised e-mail address, None where none can be read; `broken`: it is refused."""

    contact: str | None
    body: bytes
    broken: bool = False
    day: int = FIRST_DAY_NUMBER  # since 1970-01-01


def calls(mix: Mix) -> Iterator[Drawn]:
    """Yield the events of a mix in the order in which they are sent."""
    chance = Random(mix.seed)
    each, more = divmod(mix.events, mix.days)
    outsiders = mix.contacts
    for day in range(mix.days):
        count = each + (day < more)
        sound = count - round(count * mix.broken)
        for number in order.shuffled(count, mix.seed + day):
            person = number % mix.contacts if number < sound else outsiders
            ms = (FIRST_DAY_NUMBER + day) * _DAY_MS + chance.randrange(_SPAN_MS)
            fields = _call(mix, chance, person, ms)
            if number < sound:
                yield Drawn(people.address(person), _json(fields), day=FIRST_DAY_NUMBER + day)
            else:
                outsiders += 1
                yield _refused(chance, fields, people.address(person))


def words(mix: Mix) -> str:
    """Return what the mix is made of, for the line beside a table."""
    from_whom = ", ".join(f"{sender.__name__.replace('_', '-')} {share} %" for sender, share in _SENDERS.items())
    places = ", ".join(f"{share} % {place}" for place, share in _PLACES.items())
    shouted, keys, offsets, broken, unlisted, firsts = (
        f"{share * 100:.0f} %" for share in (_SHOUTED, _KEYS, _OFFSETS, _BROKEN, _UNLISTED, _FIRSTS)
    )
    return (
        f"Mixed load, seed {mix.seed}: {firsts} firsts; senders {from_whom} (with a property each: engage alone); "
        f"e-mail {places}; {shouted} of the addresses in capitals with spaces, {keys} under a key in another case; "
        f"{offsets} of the times with an offset; {broken} broken; {unlisted} with a field or an object, at any level, "
        "that no list names" + "; a `timestamp` in each" * mix.dated
    )


def _call(mix: Mix, chance: Random, person: int, ms: int) -> Fields:
    offset = chance.choice((-420, -180, 120, 330)) if chance.random() < _OFFSETS else 0
    sender = senders.engage if mix.computed else _drawn(chance, _SENDERS)
    fields = sender(chance, f"user_{person}", Moment(senders.stamp(ms, offset), ms))
    context = fields.setdefault("context", {})
    if mix.dated:
        fields.setdefault("timestamp", fields.get("originalTimestamp"))
    if mix.computed:
        _compute(chance, fields)
    if chance.random() < mix.unlisted:
        level = "context" if mix.context else chance.choice(("event", "context", "page", "traits"))
        _ADDED[level](chance, fields)
    address = people.address(person)
    if chance.random() < _SHOUTED:
        address = f"  {address.upper()} "
    key = chance.choice(("Email", "EMAIL")) if chance.random() < _KEYS else "email"
    match _drawn(chance, _PLACES):
        case "in traits":
            fields.setdefault("traits", {})[key] = address
        case "in context.traits":
            context.setdefault("traits", {})[key] = address
        case _:
            fields[key] = address
    return fields


def _drawn(chance: Random, shares: Mapping[_Choice, int]) -> _Choice:
    """Return one of several, each as often as its share of a hundred says."""
    percent = chance.random() * 100
    for choice, share in shares.items():
        percent -= share
        if percent < 0:
            return choice
    raise AssertionError("the shares are a hundred together")


def _compute(chance: Random, fields: Fields) -> None:
    key = chance.choice(tuple(_COMPUTED))
    kind, value = _COMPUTED[key]
    fields["traits"][key] = value(chance)
    fields["context"]["personas"] = {
        "computation_class": kind,
        "computation_id": f"{'tra' if kind == 'trait' else 'aud'}_2djnfxHHnYGVQfOAEBroQ9Ti87N",
        "computation_key": key,
        "namespace": "spa_o1E9fAxCkCzjp6rLG1ptWR",
        "space_id": "spa_o1E9fAxCkCzjp6rLG1ptWR",
    }


def _json(fields: Fields) -> bytes:
    return (_sorted if "projectId" in fields else _as_given)(fields)


def _refused(chance: Random, fields: Fields, address: str) -> Drawn:
    """Return a call broken in one of the ways that were met; its key is what could be read of it."""
    contact: str | None = address
    match chance.randrange(6):
        case 0:  # cut off on the way
            return Drawn(None, _json(fields)[: -1 - chance.randrange(200)], broken=True)
        case 1:  # an e-mail address of another kind, or none: as profiles without one are sent
            contact = None
            for place in (fields, fields.get("traits", {}), fields["context"].get("traits", {})):
                for key in [key for key in place if key.lower() == "email"]:
                    del place[key]
            if chance.random() < 0.5:
                fields.setdefault("traits", {})["email"] = chance.choice(("", None, 42, "peter", "jack at example.com"))
        case 2:
            fields["type"] = chance.choice(("track", "page", "group"))
        case 3:
            fields.pop("timestamp", None)
            fields.pop("originalTimestamp", None)
        case _:
            fields["timestamp"] = chance.choice(("invalid-time", "NOW", "2026-13-45T00:00:00Z", ""))
    return Drawn(contact, _json(fields), broken=True)


def _add_to_event(chance: Random, fields: Fields) -> None:
    if chance.random() < 0.5:
        fields["rudderId"] = f"{chance.getrandbits(128):032x}"
    else:
        fields["enrichment"] = {"score": chance.random(), "source": {"name": "crm", "email": "owner@example.com"}}


def _add_to_context(chance: Random, fields: Fields) -> None:
    name = chance.choice(("protocols", "amplitude", "session", "mkto", "Optimizely"))
    fields["context"][name] = {
        "sourceId": senders.letters(chance, 22),
        "sequence": chance.randrange(1000),
        "violations": [{"field": "traits.plan", "type": "Invalid Type"}],
    }


def _add_to_page(chance: Random, fields: Fields) -> None:
    page = fields["context"].setdefault("page", {"url": "https://www.example.com/"})
    page["initial_referrer"] = f"https://search.example.org/?q={chance.randrange(1000)}"


def _add_to_traits(chance: Random, fields: Fields) -> None:
    junk: Any = {"email": f"owner{chance.randrange(100)}@example.com", "tags": [["a", {"b": None}], chance.random()]}
    fields.setdefault("traits", {})["account_owner"] = {"nested": junk}


_ADDED: Final = {
    "event": _add_to_event,
    "context": _add_to_context,
    "page": _add_to_page,
    "traits": _add_to_traits,
}
