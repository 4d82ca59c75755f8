"""What `daymark up` prints once it is ready: every address, where the logs are, and the first lines to try."""

import json
import shlex
import shutil
import sys
from datetime import datetime
from pathlib import Path

from daymark import running
from daymark.running import Described


def text(up: Described, now: datetime) -> str:
    """Return the greeting.

    Args:
        up: what runs.
        now: UTC; the day of the sample event.
    """
    event = {
        "type": "identify",
        "timestamp": now.isoformat(timespec="seconds").replace("+00:00", "Z"),
        "traits": {"email": "peter@example.com"},
        "page": {"url": "https://example.com"},
    }
    addresses = "".join(f"  {name:<9} {address}\n" for name, address in rows(up))
    return f"""
{f"See the timeline at {up.page}" + chr(10) if up.page else ""}Daymark is ready at {up.at.http}
API key of the workspace {up.at.workspace}: {up.at.key}

{addresses}
Send an event and see its interaction:

  {_tail(up)}

  curl {up.at.http}/v1/identify -u {up.at.key}: -d '{json.dumps(event)}'
"""


def rows(up: Described) -> list[tuple[str, str]]:
    """Return the addresses to open or to connect to, with their names."""
    workers = [(f"worker {number}", f"{url}/metrics") for number, url in enumerate(up.workers, start=1)]
    return [
        ("API", f"{up.at.http}/openapi.json describes it"),
        ("ingest", f"{up.at.admin}/metrics, health at /readyz"),
        *workers,
        ("Kafka", up.at.kafka),
        ("Valkey", up.at.redis),
        ("logs", short(up.folder / "logs")),
    ]


def short(path: Path) -> str:
    """Return a path as it is typed in this folder."""
    return shlex.quote(str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path))


def _tail(up: Described) -> str:
    """Return the command line that shows interactions, as it works from this folder."""
    beside = Path(sys.executable).with_name("daymark")
    found = shutil.which("daymark")
    program = "daymark" if found and Path(found) == beside else short(beside)
    if not beside.exists():
        program = f"{short(Path(sys.executable))} -m daymark"
    is_found = Path.cwd() / running.FOLDER == up.folder
    return f"{program} tail" if is_found else f"{running.DATA}={short(up.folder)} {program} tail"
