"""Sample events, and what a workspace would make of them: the dry run of `daymark workspaces check`. Sends nothing."""

import base64
import json
from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from importlib.resources import files
from itertools import islice
from pathlib import Path
from typing import Any, Final, NamedTuple

from schemas import segment
from schemas.identify import Identify
from schemas.workspace import Workspace

MOST_SAMPLES: Final = 10_000  # of a file: a second's work


class Sample(NamedTuple):
    """An event, and its receipt in epoch milliseconds."""

    body: bytes
    received_at_ms: int


class DryRun(NamedTuple):
    """What became of samples: how many were read, and how many refused, by reason."""

    read: int
    rejected: dict[str, int]


def examples() -> list[Sample]:
    """Return the events of schemas/examples, good ones and bad ones; README there says what their files hold."""
    found = sorted(files("schemas").joinpath("examples").iterdir(), key=lambda file: file.name)
    return [_example(json.loads(file.read_text("utf-8"))) for file in found if file.name.endswith(".json")]


def of_file(path: Path, received_at_ms: int) -> list[Sample]:
    """Return the events of a file, one a line, but no more than a dry run needs; empty lines are none.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as lines:
        events = (line.strip() for line in lines)
        return [Sample(event, received_at_ms) for event in islice(filter(None, events), MOST_SAMPLES)]


def dry_run(workspace: Workspace, samples: Iterable[Sample]) -> DryRun:
    """Return what a workspace's format, or lacking that the contract, makes of samples."""
    found = [segment.read(sample.body, sample.received_at_ms, workspace) for sample in samples]
    rejected = Counter(str(outcome.reason) for outcome in found if not isinstance(outcome, Identify))
    return DryRun(len(found) - rejected.total(), dict(rejected.most_common()))


def _example(file: dict[str, Any]) -> Sample:
    if "base64" in file:
        body = base64.b64decode(file["base64"])
    else:
        body = file["body"].encode() if "body" in file else json.dumps(file["event"]).encode()
    received_at = datetime.fromisoformat(file["received_at"])
    return Sample(body.ljust(file.get("padded_to_bytes", 0)), round(received_at.timestamp() * 1000))
