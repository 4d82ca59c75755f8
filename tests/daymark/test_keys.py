"""`daymark keys` edits the workspaces file and nothing else in it."""

import json
import stat
from pathlib import Path

import pytest
import tomlkit
from click.testing import CliRunner, Result

from daymark.commands import keys
from daymark.settings import SettingsFaults
from schemas import workspace

COMMENTED = """\
# Who may send.

[workspaces.acme]  # the first
keys = [
    "sha256:%s",  # of the old server
]
time_zone = "Europe/Berlin"  # of the day
""" % ("0a" * 32)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "workspaces.toml"


def run(path: Path, *arguments: str, given: str = "", exit_code: int = 0) -> Result:
    result = CliRunner().invoke(keys.command, [*arguments, "--file", str(path)], input=given)
    assert result.exit_code == exit_code, result.output
    return result


def test_a_new_key_is_printed_once_and_its_digest_kept(path: Path) -> None:
    """Only the key is on stdout; the file is made for its owner alone."""
    key = run(path, "new", "acme").stdout.strip()
    assert key.startswith("daymark_")
    assert len(key) >= len("daymark_") + 43
    assert workspace.parse(path.read_text()).by_digest == {workspace.digest(key): "acme"}
    assert key not in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert run(path, "new", "acme").stdout.strip() != key


def test_comments_layout_and_mode_stay(path: Path) -> None:
    """What a person wrote is still there after a key was made and another revoked."""
    path.write_text(COMMENTED)
    path.chmod(0o640)
    run(path, "new", "acme")
    run(path, "new", "other")
    run(path, "revoke", "acme", "0a" * 4)
    text = path.read_text()
    assert all(line in text for line in ("# Who may send.", "[workspaces.acme]  # the first", "  # of the day"))
    found = workspace.parse(text)
    assert [len(found.get(name).keys) for name in ("acme", "other")] == [1, 1]
    assert found.get("acme").time_zone == "Europe/Berlin"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert [file.name for file in path.parent.iterdir()] == [path.name]


SETTINGS = """\
rate_per_second = 1000  # measured
audiences = ["vip"]

[workspaces.acme.format]  # of the old shop
email = "user.mail || traits.email"  # both, until May
"""


@pytest.mark.parametrize(
    "text",
    [
        f"[workspaces.acme]\n{SETTINGS}\n[workspaces.other]\n",
        SETTINGS.partition("\n\n")[2],
        "workspaces.acme.rate_per_second = 5\nworkspaces.acme.format.email = 'x'\n",
        "[workspaces]\nacme = {rate_per_second = 5, format = {email = 'x'}}\n",
    ],
)
def test_other_settings_stay_as_they_are(path: Path, text: str) -> None:
    """However they are laid out, a key made and revoked leaves what the file says besides."""
    path.write_text(text)
    before = workspace.parse(text).get("acme")
    key = run(path, "new", "acme").stdout.strip()
    found = workspace.parse(path.read_text()).get("acme")
    assert found.keys == (workspace.digest(key),)
    run(path, "revoke", "acme", workspace.digest(key).hex())
    assert workspace.parse(path.read_text()).get("acme") == before
    assert all(line in path.read_text().splitlines() for line in text.splitlines() if "#" in line and "[" not in line)


def test_a_large_file_is_edited_where_the_workspace_stands(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reader that keeps layout, which takes minutes for 100,000, reads one; the others stay byte for byte."""
    read = tomlkit.parse
    monkeypatch.setattr(tomlkit, "parse", lambda text: read(text) if len(text) < 500 else pytest.fail("read whole"))
    others = "".join(f"# of {n}\n[workspaces.w{n}]\nkeys = ['sha256:{n:064x}']\n" for n in range(400))
    path.write_text(others + COMMENTED + others.replace("workspaces.w", "workspaces.v").replace(":0", ":1"))
    before = path.read_text()
    key = run(path, "new", "acme").stdout.strip()
    run(path, "new", "another")
    assert path.read_text().startswith(others)
    run(path, "revoke", "acme", workspace.digest(key).hex())
    assert path.read_text().partition("\n[workspaces.another]")[0].rstrip() == before.rstrip()


def test_a_link_to_the_file_stays_a_link(path: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.toml"
    link.symlink_to(path)
    run(link, "new", "acme")
    assert link.is_symlink()
    assert "acme" in workspace.parse(path.read_text())


def test_a_third_key_is_refused(path: Path) -> None:
    """With a way out in the message."""
    run(path, "new", "acme")
    run(path, "new", "acme")
    before = path.read_text()
    refused = run(path, "new", "acme", exit_code=1).stderr
    assert "already has 2 keys" in refused
    assert "daymark keys revoke acme" in refused
    assert path.read_text() == before


def test_keys_are_listed_by_their_digests(path: Path) -> None:
    """The table has the digits that revoke takes, JSON whole digests."""
    digest = workspace.digest(run(path, "new", "acme").stdout.strip()).hex()
    path.write_text(path.read_text() + "\n[workspaces.keyless]\n")
    table = run(path, "list").stdout
    assert f"acme       {digest[:12]}" in table
    assert "keyless    no key" in table
    assert json.loads(run(path, "list", "--json").stdout) == [{"workspace": "acme", "digest": digest}]


@pytest.mark.parametrize("form", ["{0:.6}", "{0}", "sha256:{0:.20}", "-"])
def test_a_key_is_revoked_by_its_digest_or_on_stdin(path: Path, form: str) -> None:
    key = run(path, "new", "acme").stdout
    other = run(path, "new", "acme").stdout.strip()
    digest = workspace.digest(key.strip()).hex()
    run(path, "revoke", "acme", form.format(digest), given=key if form == "-" else "")
    assert workspace.parse(path.read_text()).get("acme").keys == (workspace.digest(other),)


def test_a_secret_is_never_an_argument(path: Path) -> None:
    key = run(path, "new", "acme").stdout.strip()
    assert "standard input" in run(path, "revoke", "acme", key, exit_code=2).stderr


@pytest.mark.parametrize(("digest", "exit_code"), [("ffffff", 1), ("0a0", 2), ("", 2)])
def test_what_names_no_key_is_refused(path: Path, digest: str, exit_code: int) -> None:
    path.write_text(COMMENTED)
    assert run(path, "revoke", "acme", digest, exit_code=exit_code).stderr
    assert path.read_text() == COMMENTED


@pytest.mark.parametrize("arguments", [("new", "acme"), ("list",), ("revoke", "acme", "0a0a0a0a")])
def test_a_faulty_file_is_left_alone_and_every_fault_said(path: Path, arguments: tuple[str, ...]) -> None:
    """The command line turns these faults into exit status 2."""
    path.write_text('[workspaces.acme]\ntime_zone = "Nowhere"\ncolour = 1\n')
    result = CliRunner().invoke(keys.command, [*arguments, "--file", str(path)])
    assert isinstance(result.exception, SettingsFaults)
    assert len(result.exception.faults) == 2
    assert all(str(path) in fault for fault in result.exception.faults)
    assert "colour" in path.read_text()


def test_a_name_that_cannot_be_is_refused_before_anything_is_written(path: Path) -> None:
    result = CliRunner().invoke(keys.command, ["new", "not a name", "--file", str(path)])
    assert isinstance(result.exception, SettingsFaults)
    assert not path.exists()


@pytest.mark.parametrize("arguments", [("list",), ("revoke", "acme", "0a0a0a0a")])
def test_without_a_file_there_is_nothing_to_show(path: Path, arguments: tuple[str, ...]) -> None:
    assert "no file" in run(path, *arguments, exit_code=1).stderr


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    assert "cannot be written" in run(tmp_path / "none" / "file.toml", "new", "acme", exit_code=1).stderr
