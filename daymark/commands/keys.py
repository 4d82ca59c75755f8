"""`daymark keys`: manages API keys in the workspaces file (contract, sections 8 and 9).

A key is shown once, when it is made; the file keeps its SHA-256 digest. The file's comments and layout stay as they
are. Invariant: the file is never half written, and never left in a state that `schemas.workspace` would refuse.
"""

import json
import os
import secrets
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import click
import tomlkit
from rich.table import Table

from daymark import settings
from daymark.output import standard_output
from daymark.settings import SettingsFaults
from schemas import sections
from schemas import workspace as workspaces
from schemas.sections import Sections
from schemas.workspace import WorkspaceFaults, Workspaces

_PREFIX = "daymark_"
_RANDOM_BYTES = 32
_SHOWN = 12  # hexadecimal digits of a digest: enough to distinguish any two keys
_FEWEST = 6  # that name a key to revoke

_in_file = click.option(
    "--file",
    "path",
    type=click.Path(dir_okay=False, path_type=Path),
    callback=lambda _context, _parameter, path: path or _configured(),
    help="The workspaces file.  [default: DAYMARK_WORKSPACES]",
)


_as_json = click.option("--json", "as_line", is_flag=True, help="One line of JSON, with whole digests.")


@click.group()
def command() -> None:
    """Create, list and revoke API keys of workspaces.

    A workspace has up to two keys, so that they can be rotated: create a new one, deploy it, revoke the old one.
    A running Daymark picks up changes within a second.
    """


@command.command()
@click.argument("workspace")
@_in_file
@_as_json
def new(workspace: str, path: Path, *, as_line: bool) -> None:
    """Create a key for WORKSPACE and print it once."""
    found = _read(path, missing_ok=True)
    if len(found.get(workspace).keys) >= workspaces.MOST_KEYS:
        digests = " or ".join(_shown(key) for key in found.get(workspace).keys)
        raise click.ClickException(
            f"{workspace} already has {workspaces.MOST_KEYS} keys: revoke one with "
            f"`daymark keys revoke {workspace} DIGEST`, DIGEST being {digests}."
        )
    key = _PREFIX + secrets.token_urlsafe(_RANDOM_BYTES)
    _edit(path, workspace, lambda document: _add(document, workspace, workspaces.digest(key)))
    made = {"workspace": workspace, "key": key, "digest": workspaces.digest(key).hex()}
    click.echo(json.dumps(made) if as_line else key)
    click.echo("Keep it: only its digest is stored, and it is not shown again.", err=True)


@command.command("list")
@_in_file
@_as_json
def list_(path: Path, *, as_line: bool) -> None:
    """Show each workspace's keys by their digests."""
    found = _read(path).by_name.values()
    if as_line:
        rows = [{"workspace": each.name, "digest": key.hex()} for each in found for key in each.keys]
        click.echo(json.dumps(rows))
        return
    table = Table("Workspace", "Digest", box=None, pad_edge=False)
    for each in found:
        for digest in [_shown(key) for key in each.keys] or ["no key"]:
            table.add_row(each.name, digest)
    standard_output().print(table)


@command.command()
@click.argument("workspace")
@click.argument("digest")
@_in_file
@_as_json
def revoke(workspace: str, digest: str, path: Path, *, as_line: bool) -> None:
    """Revoke the key of WORKSPACE whose digest begins with DIGEST.

    With - for DIGEST the key itself is read from standard input: a secret is never an argument.
    """
    if digest.startswith(_PREFIX):
        raise click.UsageError("A secret must not be an argument: pass - and the key on standard input, or its digest.")
    wanted = workspaces.digest(sys.stdin.readline().strip()).hex() if digest == "-" else digest.removeprefix("sha256:")
    if len(wanted) < _FEWEST:
        raise click.UsageError(f"Give at least {_FEWEST} digits of the digest; `daymark keys list` shows them.")
    found = [key for key in _read(path).get(workspace).keys if key.hex().startswith(wanted.lower())]
    if len(found) != 1:
        raise click.ClickException(
            f"{len(found) or 'no'} keys of {workspace} have this digest; see `daymark keys list`."
        )
    _edit(path, workspace, lambda document: _remove(document, workspace, found[0]))
    if as_line:
        click.echo(json.dumps({"workspace": workspace, "digest": found[0].hex()}))
    click.echo(f"{_shown(found[0])} of {workspace} is revoked.", err=True)


def _configured() -> Path:
    path = settings.from_environment().workspaces
    if path is None:
        raise click.UsageError("Which workspaces file? Set DAYMARK_WORKSPACES, or give --file.")
    return path


def _shown(key: bytes) -> str:
    return key.hex()[:_SHOWN]


def _read(path: Path, *, missing_ok: bool = False) -> Workspaces:
    return _checked(path, _text(path, missing_ok=missing_ok))


def _text(path: Path, *, missing_ok: bool) -> str:
    try:
        return path.read_text("utf-8")
    except FileNotFoundError:
        if missing_ok:
            return ""
        raise click.ClickException(f"there is no file {path}; `daymark keys new` creates it.") from None
    except (OSError, ValueError) as error:
        raise click.ClickException(f"{path} cannot be read: {error}") from None


def _checked(path: Path, text: str) -> Workspaces:
    try:
        return workspaces.parse(text)
    except WorkspaceFaults as error:
        raise SettingsFaults([f"{path}: {fault}" for fault in error.faults]) from None


def _edit(path: Path, workspace: str, change: Callable[[Any], None]) -> None:
    """Change a workspace in the file, unless that would leave a file that cannot be read."""
    text = _edited(_text(path, missing_ok=True), workspace, change)
    _checked(path, text)
    try:
        _replace(path.resolve(), text)
    except OSError as error:
        raise click.ClickException(f"{path} cannot be written: {error.strerror or error}") from None


def _edited(text: str, workspace: str, change: Callable[[Any], None]) -> str:
    """Return a file's text with one workspace changed.

    Of a file of sections alone only that workspace's is read with its layout, or made: of 100,000 that takes minutes.
    """
    if not sections.are_all(text):
        return _changed(text, change)
    parts = Sections(text)
    if workspace not in parts.names:
        return f"{text.rstrip()}\n\n{_changed('', change)}"
    at = parts.names.index(workspace)
    parts.texts[at] = _changed(parts.texts[at], change)
    return parts.head + "".join(parts.texts)


def _changed(text: str, change: Callable[[Any], None]) -> str:
    document = tomlkit.parse(text)
    change(document)
    return tomlkit.dumps(document)


def _add(document: Any, workspace: str, digest: bytes) -> None:
    if "workspaces" not in document:
        document["workspaces"] = tomlkit.table(is_super_table=True)
    if workspace not in document["workspaces"]:
        document["workspaces"][workspace] = tomlkit.table()
    table = document["workspaces"][workspace]
    if "keys" not in table:
        table["keys"] = tomlkit.array()
    table["keys"].append(f"sha256:{digest.hex()}")


def _remove(document: Any, workspace: str, digest: bytes) -> None:
    keys = document["workspaces"][workspace]["keys"]
    keys.remove(f"sha256:{digest.hex()}")


def _replace(path: Path, text: str) -> None:
    """Write the file beside the old one, then put it in its place: a reader sees the one or the other.

    A new file is its owner's alone (mode 0600); otherwise mode and owner stay.
    """
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            with suppress(FileNotFoundError, PermissionError):
                old = path.stat()
                os.fchmod(descriptor, old.st_mode & 0o7777)
                os.fchown(descriptor, old.st_uid, old.st_gid)
            file.write(text)
            file.flush()
            os.fsync(descriptor)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
