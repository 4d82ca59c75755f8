"""The workspaces file's text -> workspaces, or every fault in it (contract, section 9)."""

import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import format as formats
from schemas import workspace, zones
from schemas.workspace import PLAIN, Workspace, WorkspaceFaults

A, B = "a" * 64, "0123456789abcdef" * 4

GOOD = f"""
[workspaces.acme]
keys = ["sha256:{A}", "sha256:{B}"]
time_zone = "Europe/Berlin"
standard_message = "Contact visited acme.example"
rate_per_second = 1000
audiences = ["vip", "Beta testers"]

[workspaces.acme.format]
email = "user.contact.mail"

[workspaces.default]

[workspaces."b-1.c_d"]
time_zone = "UTC"
rate_per_second = 0.5

[workspaces."b-1.c_d".format]
# email = "user.mail"
"""

ZONES_THAT_ARE_NONE = (
    "'Mars/Olympus'",
    "''",
    "'Europe'",
    "'../zone'",
    "'/etc/passwd'",
    "'a\U0001f600'",
    '"\\u0000"',
    "5",
    "[]",
)
ZONE = "no such time zone; expected a name such as Europe/Berlin"
KEYS = 'must be "sha256:" and 64 hexadecimal digits; `daymark keys new` generates them'
NAME = "a name has 1 to 100 letters, digits, '.', '_' or '-', and begins with a letter or digit"
SETTINGS = "keys, time_zone, standard_message, rate_per_second, audiences, format, secret, secret_file"
RATE = "must be a number from 0.001 to 1000000000, in events per second"
LIST = "must be a list of at most 100 names"
NAMES = "names must have 1 to 200 characters"
TWICE = "duplicate name; letter case, '_', '-' and spaces are ignored"
MESSAGE = "must be text of 1 to 1000 characters"


def faults(text: str) -> list[str]:
    with pytest.raises(WorkspaceFaults) as caught:
        workspace.parse(text)
    return caught.value.faults


def test_a_file_says_what_each_workspace_sets() -> None:
    """Omitted settings have their defaults; UTC needs no zone."""
    found = workspace.parse(GOOD)
    zone = zones.find("Europe/Berlin")
    keys = (bytes.fromhex(A), bytes.fromhex(B))
    assert found.get("acme") == Workspace(
        "acme",
        keys,
        "Europe/Berlin",
        "Contact visited acme.example",
        zone,
        formats.compiled({"email": "user.contact.mail"}),
        ("vip", "Beta testers"),
        1000.0,
    )
    assert found.get("default") == Workspace("default", (), "UTC", "Contact visited your website", None)
    other = found.get("b-1.c_d")
    assert (other.zone, other.format, other.rate_per_second) == (None, None, 0.5)
    assert found.by_digest == dict.fromkeys(keys, "acme")


def test_a_workspace_that_is_not_in_the_file_has_default_settings() -> None:
    """The file distinguishes them."""
    found = workspace.parse(GOOD)
    assert "acme" in found
    assert "gone" not in found
    assert found.get("gone") == Workspace("gone")
    assert found.get("default") == PLAIN


@pytest.mark.parametrize("text", ["", "# nothing\n", "[workspaces]\n"])
def test_a_file_may_be_empty(text: str) -> None:
    """No workspace is no fault."""
    assert workspace.parse(text) == workspace.Workspaces()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("acme = 1", ["acme: unknown; only [workspaces.NAME] tables are read"]),
        ("[acme]", ["acme: unknown; only [workspaces.NAME] tables are read"]),
        ("workspaces = 3", ["workspaces: not a table"]),
        ("[workspaces]\nacme = 1", ["workspaces.acme: not a table"]),
        ('[workspaces."a b"]', [f"workspaces.a b: {NAME}"]),
        ('[workspaces.""]', [f"workspaces.: {NAME}"]),
        ("[workspaces.-a]", [f"workspaces.-a: {NAME}"]),
        (f"[workspaces.{'a' * 101}]", [f"workspaces.{'a' * 101}: {NAME}"]),
        ('[workspaces.a]\nkey = "x"', [f"workspaces.a.key: unknown; known are {SETTINGS}"]),
        ("[workspaces.a]\nformat = 'x'", ["workspaces.a.format: not a table"]),
        (
            "[workspaces.a.format]\nmail = 'x'\nurl = 'a['",
            [
                "workspaces.a.format.mail: unknown; a format gives email, timestamp, url, event",
                "workspaces.a.format.url: not JMESPath: unexpected end",
            ],
        ),
        ("[workspaces.a]\naudiences = 'vip'", [f"workspaces.a.audiences: {LIST}"]),
        (f"[workspaces.a]\naudiences = {[f'a{n}' for n in range(101)]}", [f"workspaces.a.audiences: {LIST}"]),
        ("[workspaces.a]\naudiences = ['vip', 5]", [f"workspaces.a.audiences: {NAMES}"]),
        ("[workspaces.a]\naudiences = [' ']", [f"workspaces.a.audiences: {NAMES}"]),
        (f"[workspaces.a]\naudiences = ['{'a' * 201}']", [f"workspaces.a.audiences: {NAMES}"]),
        ("[workspaces.a]\naudiences = ['vip', 'vip']", [f"workspaces.a.audiences: {TWICE}"]),
        ("[workspaces.a]\naudiences = ['new_user', 'New User']", [f"workspaces.a.audiences: {TWICE}"]),
        *(
            (f"[workspaces.a]\nrate_per_second = {rate}", [f"workspaces.a.rate_per_second: {RATE}"])
            for rate in ("0", "-1", "nan", "inf", "1e-9", "1" + "0" * 400, "true", "'5'", "[5]")
        ),
        ('[workspaces.a]\nkeys = "x"', ["workspaces.a.keys: must be a list of at most 2 digests"]),
        (f"[workspaces.a]\nkeys = {['sha256:' + A] * 3}", ["workspaces.a.keys: must be a list of at most 2 digests"]),
        ('[workspaces.a]\nkeys = ["secret"]', [f"workspaces.a.keys: {KEYS}"]),
        (f'[workspaces.a]\nkeys = [5, "sha256:{A}"]', [f"workspaces.a.keys: {KEYS}"]),
        (f'[workspaces.a]\nkeys = ["sha256:{A.upper()}"]', [f"workspaces.a.keys: {KEYS}"]),
        (f'[workspaces.a]\nkeys = ["sha256:{A}0"]', [f"workspaces.a.keys: {KEYS}"]),
        ("[workspaces.a]\nstandard_message = ' '", [f"workspaces.a.standard_message: {MESSAGE}"]),
        ("[workspaces.a]\nstandard_message = 5", [f"workspaces.a.standard_message: {MESSAGE}"]),
        (f"[workspaces.a]\nstandard_message = '{'a' * 1001}'", [f"workspaces.a.standard_message: {MESSAGE}"]),
        *(
            (f"[workspaces.a]\ntime_zone = {zone}", [f"workspaces.a.time_zone: {ZONE}"])
            for zone in ZONES_THAT_ARE_NONE
        ),
    ],
)  # fmt: skip
def test_each_fault_is_told_in_its_place(text: str, expected: list[str]) -> None:
    """Where it is, and what is wanted there."""
    assert faults(text) == expected


@pytest.mark.parametrize("text", ["[workspaces", "a = [" * 5000, "a = " + "1" * 5000, "a = 2020-13-45", "\x00"])
def test_what_is_not_toml_is_one_fault(text: str) -> None:
    """However it is not."""
    [fault] = faults(text)
    assert fault.startswith("not TOML: ")


def test_every_fault_is_told_at_once() -> None:
    """Nobody mends a file one fault at a time."""
    text = f"""
        x = 1
        [workspaces.a]
        keys = ["sha256:{A}"]
        time_zone = "nowhere"
        colour = "red"
        [workspaces."b c"]
        keys = ["sha256:{A}", "short"]
        standard_message = ""
    """
    assert faults(text) == [
        "x: unknown; only [workspaces.NAME] tables are read",
        f"workspaces.a.colour: unknown; known are {SETTINGS}",
        f"workspaces.a.time_zone: {ZONE}",
        f"workspaces.b c: {NAME}",
        f"workspaces.b c.keys: {KEYS}",
        f"workspaces.b c.standard_message: {MESSAGE}",
        "workspaces.b c.keys: also a key of a; a key names one workspace",
    ]


def test_a_faults_text_never_holds_a_key() -> None:
    """A key put where its digest belongs does not get into logs."""
    assert "topsecret" not in "".join(faults('[workspaces.a]\nkeys = ["topsecret", "sha256:topsecret"]'))


def test_a_digest_is_sha_256() -> None:
    """As `sha256sum` gives it."""
    assert workspace.digest("abc").hex() == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert len(workspace.digest("\udcff\u00e9")) == 32


def test_a_hundred_audiences_of_200_characters_are_read() -> None:
    """At the limits."""
    names = [f"{n:0200}" for n in range(100)]
    assert workspace.parse(f"[workspaces.a]\naudiences = {names}").get("a").audiences == tuple(names)


@given(st.text() | st.text('[]workspaces.a"=\n{}5keystime_zone '))
def test_any_text_is_read_or_told_its_faults(text: str) -> None:
    """`parse` raises nothing else."""
    try:
        assert isinstance(workspace.parse(text), workspace.Workspaces)
    except WorkspaceFaults as caught:
        assert caught.faults  # noqa: PT017  either answer is right


def test_a_workspace_may_have_its_requests_signed() -> None:
    """Secrets are in the file, or in one of their own; neither is ever shown."""
    text = "".join(
        f"[workspaces.{name}]\n{line}\n"
        for name, line in {
            "a": "secret = 'two words'",
            "b": "secret = ['new', 'old']",
            "c": "secret_file = 's'",
            "d": "",
        }.items()
    )
    found = workspace.parse(text, read_secret={"s": "of-a-file\nold"}.__getitem__)
    signed = {name: [secret.sign(b"body") for secret in each.secrets] for name, each in found.by_name.items()}
    assert signed == {
        "a": [signature("two words")],
        "b": [signature("new"), signature("old")],
        "c": [signature("of-a-file"), signature("old")],
        "d": [],
    }
    assert [each.is_signed for each in found.by_name.values()] == [True, True, True, False]
    assert "two words" not in repr(found)


def test_who_checks_no_signature_reads_no_secret() -> None:
    """A worker need not have the files; what must be signed is still known."""
    found = workspace.parse("[workspaces.a]\nsecret_file = 'nowhere'").get("a")
    assert (found.is_signed, found.secrets) == (True, ())


@pytest.mark.parametrize(
    "secret", ["''", "' x'", "'x '", "5", "[]", "['a', 'b', 'c']", "['a', 5]", '"a\\nb"', f"'{'x' * 1001}'"]
)
def test_a_secret_is_text(secret: str) -> None:
    why = "must be text of 1 to 1000 characters without white space around it, or two of them"
    assert faults(f"[workspaces.a]\nsecret = {secret}") == [f"workspaces.a.secret: {why}"]


def test_a_secrets_file_is_named_and_can_be_read() -> None:
    def read(path: str) -> str:
        raise FileNotFoundError(f"no {path}")

    assert faults("[workspaces.a]\nsecret_file = 5") == ["workspaces.a.secret_file: must be the path of a file"]
    assert faults("[workspaces.a]\nsecret = 'x'\nsecret_file = 'y'") == [
        "workspaces.a: has secret and secret_file; keep one of them"
    ]
    with pytest.raises(WorkspaceFaults, match=r"workspaces\.a\.secret_file: y cannot be read: no y"):
        workspace.parse("[workspaces.a]\nsecret_file = 'y'", read_secret=read)


def signature(secret: str) -> bytes:
    return hmac.new(secret.encode(), b"body", "sha1").hexdigest().encode()
