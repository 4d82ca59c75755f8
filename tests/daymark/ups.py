"""A `daymark up` that seems to run, for tests of what finds one: this process stands for it."""

import os
from collections.abc import Mapping
from pathlib import Path

from daymark import running
from daymark.running import Described, Running


def pretend(folder: Path, environ: Mapping[str, str], pid: int | None = None, **fields: str) -> Described:
    """Describe one in a data folder, which is made."""
    at = {
        "http": "http://127.0.0.1:9",
        "admin": "http://127.0.0.1:9",
        "kafka": "127.0.0.1:1",
        "redis": "redis://127.0.0.1:2",
        "key": "k",
        "workspace": "local",
    }
    (folder / "logs").mkdir(parents=True)
    up = Described(folder.absolute(), os.getpid() if pid is None else pid, Running(**{**at, **fields}), ())
    running.describe(up, environ)
    return up
