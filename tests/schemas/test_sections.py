"""A workspaces file is read section by section, and means what Python's reader of TOML says."""

import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import sections, workspace
from schemas.sections import SECTIONS_A_STEP, Sections

KEY = f'keys = ["sha256:{"0" * 64}"]'
LINES = (
    KEY,
    "keys = []",
    'keys = [ "a" ,"b" ]  # two',
    'time_zone = "Europe/Berlin"',
    "rate_per_second = 10.50",
    "rate_per_second=0",
    "rate_per_second = 007",
    "rate_per_second = 1_000",
    f"rate_per_second = {'9' * 30}",
    'standard_message = "ünï # no comment, [workspaces.x]"',
    'standard_message = "a\\"b"',
    "standard_message = 'single'",
    'standard_message = """',
    "[workspaces.a]",
    '"""',
    "keys = [",
    "]",
    "# a comment",
    "  ",
    "format.email = 'a'",
    "[workspaces.a.format]",
    "[workspaces.b.format]  # of another",
    "[workspaces]",
    '[workspaces."a.b"]',
    "[other]",
    "[[workspaces.c]]",
    "\x00",
    "what is this",
)
HEADERS = ("[workspaces.a]", "[workspaces.b]  # b", "[workspaces.c-1]", "[ workspaces.d ]")


def _read(text: str) -> Any:
    try:
        return sections.tables(text, lambda: None)
    except ValueError as error:
        return str(error)


def _read_whole(text: str) -> Any:
    try:
        return tomllib.loads(text)
    except ValueError as error:
        return str(error)


@given(st.lists(st.sampled_from(HEADERS) | st.sampled_from(LINES), max_size=9), st.sampled_from(("", "\n", "# x\n")))
def test_means_what_python_reads(lines: list[str], end: str) -> None:
    """Whatever stands in it, in whatever order: the same tables, or the same fault."""
    text = "\n".join(lines) + end
    assert _read(text) == _read_whole(text)


@given(st.text(alphabet="[]workspaces.a=\"'#\n\\ 1,{}", max_size=60))
def test_any_text(text: str) -> None:
    """Any text at all."""
    assert _read(text) == _read_whole(text)
    found = Sections(text)
    assert found.head + "".join(found.texts) == text


@pytest.mark.parametrize("more", ["", 'time_zone = "Europe/Berlin"\n', "rate_per_second = 5 # a second\n\n# next\n"])
def test_a_large_file_is_not_read_whole(monkeypatch: pytest.MonkeyPatch, more: str) -> None:
    """Plain sections are never given to Python's reader, which takes 10 s for 100,000; the reading pauses often."""
    monkeypatch.setattr(tomllib, "loads", lambda _: pytest.fail("Python's reader was asked"))
    text = "".join(f'[workspaces.w{n}]\nkeys = ["sha256:{n:064x}"]\n{more}' for n in range(10_000))
    pauses: list[None] = []
    found = workspace.parse(text, lambda: pauses.append(None))
    assert (len(found.by_name), len(found.by_digest)) == (10_000, 10_000)
    assert len(pauses) == 2 * 10_000 / SECTIONS_A_STEP


def test_odd_sections_are_read_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """One workspace with a custom format does not make a large file slow."""
    read, sizes = tomllib.loads, list[int]()

    def measured(text: str) -> Any:
        sizes.append(len(text))
        return read(text)

    monkeypatch.setattr(tomllib, "loads", measured)
    odd = f"[workspaces.odd]\n{KEY}\n[workspaces.odd.format]\nemail = 'user.mail'\n"
    text = odd + "".join(f"[workspaces.w{n}]\n" for n in range(10_000))
    assert workspace.parse(text).by_name["odd"].format is not None
    assert max(sizes) == len(odd)
