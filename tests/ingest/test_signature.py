"""Signed webhooks (contract, section 2): who does not have the secret is refused, and leaves nothing behind.

The signatures were computed by OpenSSL, `printf %s "$BODY" | openssl dgst -sha1 -hmac a-shared-secret`, and are those
of Segment's own code under Node.js, `createHmac("sha1", secret).update(JSON.stringify(data), "utf8").digest("hex")`.
"""

import gzip
import json
from typing import Any

import pytest

from ingest import answers
from schemas.signature import Secret
from schemas.workspace import Workspace, Workspaces, digest
from tests.ingest.fake_server import KEY
from tests.ingest.test_app import Api

FIRST, SECOND = (
    f'{{"type":"identify","messageId":"segment-test-message-{number}",'
    f'"timestamp":"2026-11-30T10:00:0{number - 1}.000Z","traits":{{"email":"{email}"{more}}}}}'.encode()
    for number, email, more in ((1, "peter@example.com", ',"city":"Zürich"'), (2, "anna@example.com", ""))
)
LIST = b"[%s,%s]" % (FIRST, SECOND)
OF_FIRST, OF_LIST = "41c5dd56218b46554ef407ab2d03d1977895c06e", "fecfd38bff4c73811967b3473b4162efc389fd35"
WRONG, MISSING = (401, "wrong_signature"), (401, "missing_signature")


def signed(*secrets: str, **rules: Any) -> Api:
    """Return the API with a workspace whose requests must be signed."""
    workspace = Workspace("acme", (digest(KEY),), is_signed=True, secrets=tuple(map(Secret, secrets)))
    api = Api(**rules)
    api.workspaces = Workspaces({"acme": workspace}, {digest(KEY): "acme"})
    return api


@pytest.fixture
def api() -> Api:
    return signed("a-shared-secret")


def post(api: Api, body: bytes, signature: str | None, path: str = "/v1/identify", **headers: str) -> tuple[int, str]:
    """Return status and code."""
    said = headers if signature is None else headers | {"x-signature": signature}
    answer = api.post(body, path, **said)
    return answer["status"], answer.get("code", "")


@pytest.mark.parametrize("signature", [OF_FIRST, OF_FIRST.upper(), f" {OF_FIRST} "])
def test_the_signature_of_an_event_is_that_of_its_body(api: Api, signature: str) -> None:
    assert post(api, FIRST, signature) == (200, "")
    assert api.delivery.published == [(b"peter@example.com", FIRST)]


@pytest.mark.parametrize("body", [LIST, b"[ %s ,\n%s]" % (FIRST, SECOND)])
def test_a_batch_signs_its_first_event(api: Api, body: bytes) -> None:
    assert post(api, body, OF_FIRST) == (200, "")
    assert [event for _, event in api.delivery.published] == [FIRST, SECOND]


def test_a_batch_may_sign_the_whole_body(api: Api) -> None:
    assert post(api, LIST, OF_LIST) == (200, "")


def test_a_batch_of_an_sdk_is_signed_alike(api: Api) -> None:
    assert post(api, b'{"batch":%s,"context":{"page":{"url":"x"}}}' % LIST, OF_FIRST, "/v1/batch") == (200, "")


def test_a_compressed_body_is_signed_before_it_is_compressed(api: Api) -> None:
    assert post(api, gzip.compress(FIRST), OF_FIRST, **{"content-encoding": "gzip"}) == (200, "")


def test_a_key_in_the_body_asks_for_a_signature_too(api: Api) -> None:
    body = json.dumps({**json.loads(FIRST), "writeKey": KEY}).encode()
    assert post(api, body, None, authorization="") == MISSING
    assert post(api, body, OF_FIRST, authorization="") == WRONG
    right = Secret("a-shared-secret").sign(body).decode()
    assert post(api, body, right, authorization="") == (200, "")


@pytest.mark.parametrize("body", [FIRST, LIST, b"{", b"[", b"", b"{}", b"[]"])
@pytest.mark.parametrize(
    ("signature", "refused"),
    [
        (None, MISSING),
        ("", MISSING),
        (OF_FIRST[:-1], WRONG),
        (OF_FIRST[:-1] + "d", WRONG),
        (f"sha1={OF_FIRST}", WRONG),
        ("\u00e9", WRONG),
        ("0" * 40, WRONG),
    ],
)
def test_whoever_lacks_the_secret_leaves_nothing(
    api: Api, body: bytes, signature: str | None, refused: tuple[int, str]
) -> None:
    """Neither published nor recorded; counted by its code. A list that is not JSON has no first event to verify."""
    if body == b"[" and refused == WRONG:
        refused = (400, "malformed_json")
    assert post(api, body, signature) == refused
    assert (api.delivery.published, api.delivery.rejected) == ([], [])
    status, code = refused
    assert api.count(f'daymark_ingest_requests_total{{code="{code}",status="{status}"}}') == 1


def test_what_is_too_large_to_be_verified_is_not_recorded() -> None:
    api = signed("a-shared-secret", request_limit_bytes=200, request_limit_events=4000)
    assert post(api, b"x" * 201, OF_FIRST) == (413, "request_too_large")
    assert api.delivery.rejected == []


def test_what_is_signed_and_refused_is_recorded(api: Api) -> None:
    assert post(api, b"{}", Secret("a-shared-secret").sign(b"{}").decode()) == (400, "missing_email")
    assert [record["reason"] for record in api.delivery.rejected] == ["missing_email"]


def test_two_secrets_are_known_while_one_replaces_the_other() -> None:
    for secrets in (("a-shared-secret", "new"), ("new", "a-shared-secret")):
        assert post(signed(*secrets), FIRST, OF_FIRST) == (200, "")
    assert post(signed("new"), FIRST, OF_FIRST) == WRONG


def test_without_its_secrets_a_signed_workspace_takes_nothing() -> None:
    assert post(signed(), FIRST, OF_FIRST) == WRONG


def test_where_no_signature_is_wanted_none_is_looked_at() -> None:
    assert post(Api(), FIRST, "wrong") == (200, "")


def test_the_answer_says_what_is_missing(api: Api) -> None:
    """A message for Segment's event delivery view, in the contract's form of errors."""
    answer = api.post(FIRST)
    assert answer["message"] == answers.MISSING_SIGNATURE.message
    assert answer["success"] is False
