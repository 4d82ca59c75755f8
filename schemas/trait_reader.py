"""Decodes of an event's `traits` only what counts: the e-mail address, and the one property that Engage computed.

To decode an object whole costs as much as the rest of the event. A decoder is made once for each property's name; of
senders with more names than are kept, and of names that no struct can have, the traits are decoded whole.
"""

from collections.abc import Callable
from typing import Any, Final

import msgspec
from msgspec import UNSET


class _Plain(msgspec.Struct, gc=False):
    email: Any = UNSET


class _Valued(msgspec.Struct, gc=False):
    email: Any = UNSET
    value: Any = UNSET


Read = Callable[[msgspec.Raw], Any]

_FIELDS: Final[list[tuple[str, Any, Any]]] = [("email", Any, UNSET), ("value", Any, UNSET)]
_MOST: Final = 256  # decoders; each takes 0.1 ms to make
_BY_NAME: Final[dict[str, Read]] = {}

decode_whole: Final = msgspec.json.Decoder(dict[str, Any] | None).decode
read_email: Final = msgspec.json.Decoder(_Plain | None).decode
"""Returns what has the attribute `email`, UNSET where there is none; None: the traits are null."""


def reader(name: object) -> Read:
    """Return what reads traits as `read_email` does, and as `value` also the property of this name if it is a text."""
    if type(name) is not str:
        return read_email
    read = _BY_NAME.get(name)
    if read is None:
        if len(_BY_NAME) >= _MOST:
            return _from_whole(name)
        read = _BY_NAME[name] = _new(name)
    return read


def _new(name: str) -> Read:
    try:
        valued = msgspec.defstruct("_Valued", _FIELDS, gc=False, rename={"value": name})
    except ValueError:  # no struct has a field of such a name, or two of one
        return _from_whole(name)
    return msgspec.json.Decoder(valued | None).decode


def _from_whole(name: str) -> Read:
    def read(traits: msgspec.Raw) -> _Valued:
        found = decode_whole(traits) or {}
        return _Valued(found.get("email", UNSET), found.get(name, UNSET))

    return read
