"""Renders the Helm chart. As a program: writes what `kubectl apply -k` takes."""

import shutil
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

import yaml  # type: ignore[import-untyped]  # of the `deploy` packages

BASE: Final = Path("deploy/kustomize/base/daymark.yaml")
TIMELINE: Final = Path("deploy/kustomize/timeline/timeline.yaml")
CHART: Final = Path("deploy/helm/daymark")
KAFKA: Final = ("kafka.bootstrapServers=kafka:9092",)  # the one value without a default
_HEAD: Final = "# Made by `make kustomize` from the chart with its defaults: change the chart, not this file.\n"


class Refused(Exception):
    """Helm does not render the chart with these values."""


@cache
def text(*values: str, release: str = "daymark") -> str:
    """Return the rendered chart.

    Args:
        values: as `--set` takes them, `name=value`.
        release: the release's name.

    Raises:
        Refused: with what Helm says.
    """
    # In .venv/bin, which need not be on the path.
    helm = shutil.which("helm", path=str(Path(sys.executable).parent)) or "helm"
    settings = [word for value in values for word in ("--set", value)]
    command = [helm, "template", release, str(CHART), *settings]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Refused(done.stderr)
    return done.stdout


def objects(*values: str) -> list[dict[str, Any]]:
    """Return the objects of the rendered chart."""
    return [found for found in yaml.safe_load_all(text(*KAFKA, *values)) if found]


def kustomize() -> dict[Path, str]:
    """Return the files of deploy/kustomize: the defaults, and what the timeline adds to them.

    Without what only Helm's own labels and hooks are for.
    """
    defaults = objects()
    added = [each for each in objects("timeline.enabled=true") if each not in defaults]
    return {BASE: _file(defaults), TIMELINE: _file(added)}


def _file(found: Sequence[dict[str, Any]]) -> str:
    for each in found:
        each["metadata"]["labels"] = _plain(each["metadata"]["labels"])
        if template := each.get("spec", {}).get("template"):
            template["metadata"]["labels"] = _plain(template["metadata"]["labels"])
        each["metadata"].pop("annotations", None)
    return _HEAD + str(yaml.safe_dump_all(found, sort_keys=False, width=120))


def _plain(labels: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in labels.items() if "helm" not in name and not name.endswith("managed-by")}


if __name__ == "__main__":
    for file, content in kustomize().items():
        file.write_text(content, "utf-8")
