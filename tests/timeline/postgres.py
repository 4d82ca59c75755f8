"""A PostgreSQL of the tests' own: Debian's package, without a port, in a temporary folder."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_FAST = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "listen_addresses=", "max_connections=40")
_START_S = 120
# It refuses to run as root.
_USER = "postgres" if os.getuid() == 0 else None


def programs() -> Path | None:
    """Return the folder of PostgreSQL's programs; None: it is not installed."""
    if _USER and not any(user.pw_name == _USER for user in pwd.getpwall()):
        return None
    folders = [*Path("/usr/lib/postgresql").glob("*/bin"), *filter(None, [_on_path()])]
    return next((folder for folder in sorted(folders, reverse=True) if (folder / "initdb").exists()), None)


@contextmanager
def running(found: Path) -> Iterator[str]:
    """Run a server; yield the URL of its database, without the database's name."""
    folder = Path(tempfile.mkdtemp(prefix="pg", dir="/tmp"))  # short: it has the name of a socket
    try:
        if _USER:
            shutil.chown(folder, _USER)
        _run(found / "initdb", "-D", folder / "data", "-U", "daymark", "-A", "trust", "--no-sync", "-E", "UTF8")
        options = " ".join(f"-c {option}" for option in (*_FAST, f"unix_socket_directories={folder}"))
        start = ("-D", folder / "data", "-l", folder / "log", "-o", options, "-w", "-t", str(_START_S))
        _run(found / "pg_ctl", *start, "start")
        try:
            yield f"postgresql://daymark@/{{}}?host={folder}"
        finally:
            _run(found / "pg_ctl", "-D", folder / "data", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _on_path() -> Path | None:
    found = shutil.which("initdb")
    return Path(found).resolve().parent if found else None


def _run(*command: str | Path) -> None:
    subprocess.run(
        [str(word) for word in command],
        check=True,
        user=_USER,
        stdout=subprocess.DEVNULL,
        timeout=2 * _START_S,
        cwd="/",
    )
