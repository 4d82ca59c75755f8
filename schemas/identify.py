"""The value that a readable event becomes."""

from typing import TypeGuard

import msgspec


class Identify(msgspec.Struct, frozen=True, gc=False):
    """An identify call, with what the timeline needs of it (contract, section 3).

    `email` is normalised and names the contact; `timestamp_ms` is in epoch milliseconds. `url` and `event` are free
    text as sent, save that lone surrogates have become U+FFFD.
    """

    email: str
    timestamp_ms: int
    url: str | None
    event: str | None
    message_id: str | None


def is_text(value: object) -> TypeGuard[str]:
    """Whether a JSON value is text that says something. A subclass of str stands for a number, and is none."""
    return type(value) is str and not value.isspace() and value != ""
