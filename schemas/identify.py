"""The values that a readable event becomes."""

from typing import TypeGuard

import msgspec

Value = None | bool | int | float | str


class Change(msgspec.Struct, frozen=True, gc=False):
    """A user property that an identify sets (contract, sections 3 and 5).

    `value` is what JSON says, an object or a list as its text. `kind` is audience, trait or journey. `membership` is
    true for entered and false for left; None where the property is no membership.
    """

    name: str
    value: Value
    kind: str
    membership: bool | None


class Description(msgspec.Struct, frozen=True, gc=False):
    """What an identify says about the visit: free text as sent, with lone surrogates replaced by U+FFFD."""

    event: str | None
    url: str | None


class Identify(msgspec.Struct, frozen=True, gc=False):
    """An identify call: its contact, its time, and what it says of the contact (contract, section 3).

    `email` is normalised and identifies the contact; `timestamp_ms` is in epoch milliseconds. `changes` are the user
    properties that it sets. `bears_key`: an API key is among its top-level fields, and must be cut out before it is
    published (`credentials`). `description` describes the visit; None where it was not read, since only a contact-day's
    winner needs it: `segment.describe` reads it.
    """

    email: str
    timestamp_ms: int
    message_id: str | None
    changes: tuple[Change, ...] = ()
    bears_key: bool = False
    description: Description | None = None


def is_text(value: object) -> TypeGuard[str]:
    """Whether a JSON value is non-empty text. A subclass of str represents a number, and is not text."""
    return type(value) is str and not value.isspace() and value != ""
