"""The ports of `daymark up`: the usual ones where they are free, else those of the last start, else any.

So a bookmark, a client's configuration or a firewall rule stays valid from one start to the next.
"""

import json
from contextlib import suppress
from pathlib import Path
from typing import Final

from daymark.local import ports

USUAL: Final = {"kafka": 9092, "valkey": 6379, "http": 8080, "admin": 8081, "timeline": 8090}
_FIRST_WORKER: Final = 8082


class Ports:
    """Chooses a port for each part of one data folder, and remembers it there."""

    def __init__(self, folder: Path) -> None:
        """Take up what the last start noted in the folder; a damaged note counts as none."""
        self._file = folder / "ports.json"
        self._last: dict[str, int] = {}
        with suppress(OSError, ValueError, AttributeError):
            found = json.loads(self._file.read_bytes()).items()
            self._last = {name: port for name, port in found if isinstance(port, int)}
        self._chosen: dict[str, int] = {}

    def choose(self, name: str, wanted: int | None = None) -> int:
        """Return the port of a part: `wanted` or the usual one if it is free, else the last start's, else any."""
        first = wanted if wanted is not None else usual(name)
        self._chosen[name] = ports.choose(first or None, self._last.get(name))
        return self._chosen[name]

    def remember(self) -> None:
        """Note what was chosen for the next start."""
        self._file.write_text(json.dumps(self._last | self._chosen) + "\n")


def usual(name: str) -> int | None:
    """Return the port that a part has where nothing else uses it: worker-1 8082, worker-2 8083 and so on."""
    if name.startswith("worker-"):
        return _FIRST_WORKER + int(name.removeprefix("worker-")) - 1
    return USUAL.get(name)
