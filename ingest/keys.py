"""API key -> workspace (contract, section 2).

A key is looked for in the headers first, then in the body. Only digests are compared, through a dictionary: timing
could reveal at most a prefix of a digest, which says nothing about the key.
"""

import binascii
import hashlib
import json
from typing import Final

import msgspec

from ingest import answers
from ingest.counting import is_dense
from ingest.http.response import Refusal
from schemas import workspace
from schemas.rejections import Reason
from schemas.workspace import Workspaces

STRANGER: Final = ""  # who sends a request whose key is not known yet

_MOST_KNOWN: Final = 1_000  # spellings: two keys a workspace, but whoever has one can spell it in many ways


class Keys:
    """Remembers which workspace an Authorization header names, under the header's digest, for known keys only."""

    def __init__(self) -> None:
        self._workspaces = Workspaces()
        self._known: dict[bytes, str] = {}

    def owner(self, authorization: bytes, workspaces: Workspaces) -> str | None:
        """Return the name of the workspace that a header names: None for an unknown key, STRANGER for no key at all."""
        if workspaces is not self._workspaces or len(self._known) > _MOST_KNOWN:
            self._workspaces, self._known = workspaces, {}
        found = hashlib.sha256(authorization).digest()
        name = self._known.get(found)
        if name is None:
            keys = in_header(authorization)
            if not keys:
                return STRANGER
            name = workspace_of(keys, workspaces)
            if name is not None:
                self._known[found] = name
        return name


def in_header(authorization: bytes) -> tuple[str, ...]:
    """Return the keys that an Authorization header can mean, the likelier first; empty when it bears none."""
    scheme, _, token = authorization.strip().partition(b" ")
    token = token.strip()
    if scheme.lower() == b"basic":
        found = _basic(token)
    elif scheme.lower() == b"bearer":
        found = (token,)
    else:
        return ()
    return tuple(key.decode("utf-8", "surrogateescape") for key in found if key)


def workspace_of(keys: tuple[str, ...], workspaces: Workspaces) -> str | None:
    """Return the name of the workspace that the first known of some keys names."""
    for key in keys:
        name = workspaces.by_digest.get(workspace.digest(key))
        if name is not None:
            return name
    return None


def workspace_in_body(body: bytes, workspaces: Workspaces, most: int) -> str | Refusal:
    """Return the name of the workspace that the `writeKey` of a body names, or why there is none.

    Args:
        body: decoded.
        workspaces: all of them.
        most: events of a batch.
    """
    key = _in_body(body, most)
    if isinstance(key, Refusal):
        return key
    return workspace_of((key,), workspaces) or answers.UNKNOWN_KEY


class _Keyed(msgspec.Struct, gc=False):
    writeKey: str | None = None  # noqa: N815  Segment's spelling


_decode = msgspec.json.Decoder(_Keyed).decode

# Numbers of any length stay text: only one key is wanted.
_JSON = json.JSONDecoder(parse_int=str, parse_float=str)


def _in_body(body: bytes, most: int) -> str | Refusal:
    try:
        key = _decode(body).writeKey
    except msgspec.ValidationError:
        key = None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return answers.REASONS[Reason.MALFORMED_JSON] if is_dense(body, most) else _in_wild_body(body)
    return key or answers.MISSING_KEY


def _in_wild_body(body: bytes) -> str | Refusal:
    try:
        found = _JSON.decode(body.decode())
    except (ValueError, RecursionError):
        return answers.REASONS[Reason.MALFORMED_JSON]
    key = found.get("writeKey") if isinstance(found, dict) else None
    return key if isinstance(key, str) and key and _is_encodable(key) else answers.MISSING_KEY


def _is_encodable(key: str) -> bool:
    """Whether a key is free of lone surrogates, which have no bytes to digest."""
    return not any("\ud800" <= character <= "\udfff" for character in key)


def _basic(token: bytes) -> tuple[bytes, ...]:
    """Return what base64(key:) can mean; the colon may be missing, and so may the padding.

    Segment's own Actions send some partners the bare key after "Basic", so that is a second reading.
    """
    try:
        key, colon, _ = binascii.a2b_base64(token + b"==").partition(b":")
    except binascii.Error:
        return (token,)
    return (key,) if colon else (key, token)
