"""The environment of Quix Streams: installed once, as locked, into the user's cache folder."""

import fcntl
import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

from tests.bench.ground import cache
from tests.bench.options import Options

_LOCK = Path(__file__).with_name("requirements-quix.txt")
_INSTALL_S = 600


def quix(options: Options) -> Path | None:
    """Return the Python that has Quix Streams; None, and said, where it cannot be installed."""
    name = hashlib.sha256(_LOCK.read_bytes() + sys.version.encode()).hexdigest()[:12]
    folder = cache() / "daymark" / f"bench-quix-{name}"
    python, ready = folder / "bin" / "python", folder / ".ready"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_suffix(".lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if ready.exists() and python.exists():
            return python
        options.say("installing Quix Streams in an environment of its own (once)")
        shutil.rmtree(folder, ignore_errors=True)
        if not _installed(folder, python):
            shutil.rmtree(folder, ignore_errors=True)
            options.note("Quix Streams cannot be installed (no network?): it is left out")
            return None
        ready.touch()
    return python


def _installed(folder: Path, python: Path) -> bool:
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    for command in (
        [sys.executable, "-m", "venv", str(folder)],
        [*pip, "--require-hashes", "--only-binary", ":all:", "-r", str(_LOCK)],
    ):
        try:
            done = subprocess.run(command, capture_output=True, check=False, timeout=_INSTALL_S)
        except (OSError, subprocess.TimeoutExpired):
            return False
        if done.returncode:
            return False
    return True
