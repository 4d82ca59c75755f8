"""The versions that a bug report should contain: Daymark's, Python's, and those of the relevant libraries."""

import json
import platform
from importlib import metadata
from typing import Final

from confluent_kafka import libversion

from schemas import zones

_PACKAGES: Final = (
    *("confluent-kafka", "fastavro", "hiredis", "httptools", "msgspec", "redis", "structlog", "tzdata", "uvloop"),
)


def labels() -> dict[str, str]:
    """Return the labels of the metric daymark_build_info."""
    return {
        "version": metadata.version("daymark"),
        "python": platform.python_version(),
        "librdkafka": libversion()[0],
        "time_zones": zones.version(),
    }


def as_text() -> str:
    """Return one line, as programs usually say their version."""
    return f"daymark {metadata.version('daymark')}"


def as_json() -> str:
    """Return a JSON object on one line: a version by the name of each part; null for one that is not installed."""
    ours = {"daymark": metadata.version("daymark"), "python": platform.python_version(), "librdkafka": libversion()[0]}
    return json.dumps(ours | {"time_zones": zones.version()} | {name: _version(name) for name in _PACKAGES})


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
