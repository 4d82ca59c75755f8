"""API keys: found where Segment and its SDKs put them."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest import answers, keys
from ingest.http.response import Refusal
from schemas.workspace import Workspaces, digest

WORKSPACES = Workspaces({}, {digest("key"): "acme", digest("ké€"): "umlaut"})


@given(st.text(min_size=1).filter(lambda key: ":" not in key), st.text())
def test_basic(key: str, password: str) -> None:
    """The key is what stands before the colon, whatever stands behind it."""
    token = base64.b64encode(f"{key}:{password}".encode())
    assert keys.in_header(b"Basic " + token) == (key,)


@pytest.mark.parametrize(
    ("header", "name"),
    [
        (b"Basic a2V5Og==", "acme"),
        (b"Basic a2V5Og", "acme"),
        (b"basic  a2V5", "acme"),
        (b"Basic key", "acme"),
        (b"Bearer key", "acme"),
        (b"BEARER key ", "acme"),
        (b"Bearer " + "ké€".encode(), "umlaut"),
        (b"Bearer other", None),
        (b"Basic", None),
        (b"", None),
        (b"Basic \xff\xfe", None),
    ],
)
def test_spellings(header: bytes, name: str | None) -> None:
    """A key is known in every spelling that is tolerated, and in no other."""
    assert keys.workspace_of(keys.in_header(header), WORKSPACES) == name


@pytest.mark.parametrize("header", [b"", b"Basic", b"Basic Og==", b"Bearer ", b"Digest a2V5"])
def test_no_key(header: bytes) -> None:
    """A header that bears no key leaves the search to the body."""
    assert keys.in_header(header) == ()


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"writeKey":"key"}', "acme"),
        (rb'{"x":"\ud83d","writeKey":"key"}', "acme"),
        (b'{"writeKey":"other"}', answers.UNKNOWN_KEY),
        (rb'{"writeKey":"\ud83d"}', answers.MISSING_KEY),
        (b'{"writeKey":5}', answers.MISSING_KEY),
        (b'{"writeKey":""}', answers.MISSING_KEY),
        (b'{"writeKey":null}', answers.MISSING_KEY),
        (b"{}", answers.MISSING_KEY),
        (b"5", answers.MISSING_KEY),
        (b"[]", answers.MISSING_KEY),
        (rb'["\ud83d"]', answers.MISSING_KEY),
        (b"{", answers.REASONS["malformed_json"]),  # type: ignore[index]
        (b'{"writeKey":"\xff"}', answers.REASONS["malformed_json"]),  # type: ignore[index]
    ],
)
def test_in_the_body(body: bytes, expected: str | Refusal) -> None:
    """Lacking a header the key is the body's; a body that cannot be parsed is malformed, not without a key."""
    assert keys.workspace_in_body(body, WORKSPACES, 10) == expected


@given(st.binary())
def test_total(data: bytes) -> None:
    """Any bytes at all are looked through for a key."""
    assert isinstance(keys.in_header(data), tuple)
    assert isinstance(keys.workspace_in_body(data, WORKSPACES, 10), str | Refusal)
