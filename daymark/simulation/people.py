"""The people of a simulated audience: their identifiers, their addresses, and the spellings in which these arrive.

Invariant: each address is in normalised form and belongs to one number, and every spelling of it normalises to it. The
domains are reserved for examples (RFC 2606), so no mail can reach anybody.
"""

import unicodedata
from typing import NamedTuple

_NAMES = """
    peter ada grace alan mary björn irene yusuf mei olga carlos fatima zoë ivan aisha lucas
    nina hugo sara tom leila marta kofi anna raj elena noah emma luis chloé omar julia
    gibbons lovelace hopper turing jackson ek silva demir chen petrova garcia haddad baker novak khan meyer
    rossi dubois lind clark nasser kowalska mensah schmidt patel popov martin keller ortega moreau aziz weber
"""
_FIRST, _LAST = _NAMES.split()[:32], _NAMES.split()[32:]
_DOMAINS = ("example.com", "example.org", "example.net", "mail.example.com", "shop.example", "work.example.org")


class Identifier(NamedTuple):
    """How a call identifies a person: the index of their address (None: none), with an anonymous id or a user's."""

    address: int | None
    anonymous: bool = False


class Identity(NamedTuple):
    """A person's identifiers. The first `synced` of them are synced; an exit is sent for all of them."""

    identifiers: tuple[Identifier, ...]
    synced: int

    @property
    def entering(self) -> range:
        """Indexes of the identifiers for which everything but an exit is sent."""
        return range(self.synced)

    @property
    def leaving(self) -> range:
        """Indexes of the identifiers for which an exit is sent."""
        return range(len(self.identifiers))


ADDRESSES = 2  # the most that a person has

_ONE, _OTHER, _NONE = Identifier(0), Identifier(1), Identifier(None)
_VISITOR, _VISITOR_ONE, _VISITOR_OTHER = (Identifier(address, anonymous=True) for address in (None, 0, 1))

# Of sixteen people, four have two addresses, one of them added after the sync was set up; one has none.
_IDENTITIES = (
    *[Identity((_ONE,), 1)] * 9,
    *[Identity((_ONE, _OTHER), 2)] * 2,
    Identity((_ONE, _OTHER), 1),
    *[Identity((_ONE, _VISITOR, _VISITOR_ONE), 2)] * 2,
    Identity((_ONE, _OTHER, _VISITOR, _VISITOR_ONE, _VISITOR_OTHER), 3),
    Identity((_NONE, _VISITOR), 2),
)

# The number of choices of a spelling; few of them are odd, as in real data.
SPELLINGS = 64


def identity(person: int) -> Identity:
    """Return the identifiers of the person with this number."""
    return _IDENTITIES[person * 7 % 16]


def address(number: int) -> str:
    """Return the normalised e-mail address of the person with this number."""
    first = _FIRST[number % 32]
    last = _LAST[number // 32 % 32]
    return f"{first}.{last}.{number}@{_DOMAINS[number % 6]}"


def spelled(email: str, choice: int) -> str:
    """Return an address as somebody typed it. `choice` is below `SPELLINGS`; most choices leave it unchanged."""
    match choice:
        case 0 | 1:
            return email.title()
        case 2:
            return email.upper()
        case 3:
            return f" {email} "
        case 4:
            return unicodedata.normalize("NFD", email)
        case _:
            return email
