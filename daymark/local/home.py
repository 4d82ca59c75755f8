"""The data folder of `daymark up`: `.daymark/`.

Owns: who may use it, and its secrets.
Does not: start anything but `daymark keys new`.
Invariant: secrets are their owner's alone (mode 0600), and what exists is kept: the next run has the same key.
"""

import fcntl
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from daymark import running
from daymark.local import processes
from daymark.local.faults import LocalFault
from schemas import workspace as workspaces
from schemas.workspace import WorkspaceFaults

_WORKSPACE = "demo"
_CLAIM_KEY_BYTES = 32
_LEFTOVER_S = 20.0


class Key(NamedTuple):
    """An API key and whose it is."""

    text: str
    workspace: str


@contextmanager
def held(folder: Path, environ: Mapping[str, str]) -> Iterator[None]:
    """Make the folder and hold it for this process; end what a killed holder left running.

    Args:
        folder: The data folder.
        environ: Says where the user's cached files are.

    Raises:
        LocalFault: Another process holds it, or it cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / ".gitignore").write_text("*\n")  # keys and data are nobody else's
    except OSError as error:
        raise LocalFault(
            f"the data folder {folder} cannot be written: {error.strerror}; name another with --data"
        ) from None
    with (folder / "lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LocalFault(
                f"another `daymark up` is using {folder}: stop it, or name another folder with --data"
            ) from None
        end_leftovers(folder)
        try:
            yield
        finally:
            running.forget(folder, environ)
            end_leftovers(folder)


def end_leftovers(folder: Path) -> None:
    """End every process that a pid file below the folder names: clients first, then their servers."""
    files = sorted(folder.glob("*/pid")) + sorted(folder.glob("kafka/*/pid"))
    for file in sorted(files, key=lambda file: file.parts[len(folder.parts)] in {"kafka", "valkey"}):
        processes.end_noted(file, _LEFTOVER_S)


def key(folder: Path) -> Key:
    """Return the key that the last run had, or a new one.

    Raises:
        LocalFault: The workspaces file is not readable, or takes no more keys.
    """
    file, listed = folder / "key", _listed(workspaces_file(folder))
    text = file.read_text().strip() if file.exists() else ""
    owner = listed.get(workspaces.digest(text))
    if owner is None:
        text, owner = _new_key(workspaces_file(folder)), _WORKSPACE
        file.unlink(missing_ok=True)
        _write_secret(file, text)
    return Key(text, owner)


def workspaces_file(folder: Path) -> Path:
    """Return the path of the workspaces file."""
    return folder / "workspaces.toml"


def claim_key_file(folder: Path) -> Path:
    """Return the file of the claims' secret, made on the first run."""
    file = folder / "claim.key"
    if not file.exists():
        _write_secret(file, secrets.token_hex(_CLAIM_KEY_BYTES))
    return file


def renew_claim_key(folder: Path) -> None:
    """Replace the claims' secret: workers that start from now on know nothing of earlier claims."""
    new = folder / "claim.new"
    new.unlink(missing_ok=True)
    _write_secret(new, secrets.token_hex(_CLAIM_KEY_BYTES))
    new.replace(folder / "claim.key")


def _listed(file: Path) -> dict[bytes, str]:
    if not file.exists():
        return {}
    try:
        return dict(workspaces.parse(file.read_text("utf-8")).by_digest)
    except WorkspaceFaults as error:
        raise LocalFault(f"{file}: {'; '.join(error.faults)}") from None


def _new_key(file: Path) -> str:
    command = [sys.executable, "-m", "daymark", "keys", "new", _WORKSPACE, "--file", str(file)]
    made = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    if made.returncode != 0:
        raise LocalFault(made.stderr.strip().removeprefix("Error: "))
    return made.stdout.strip()


def _write_secret(file: Path, text: str) -> None:
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
        stream.write(text + "\n")
