"""Renders the Helm chart. As a program: writes what `kubectl apply -k` takes, the chart with its defaults."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import yaml  # type: ignore[import-untyped]  # of the `deploy` packages

CHART: Final = Path("deploy/helm/daymark")
KAFKA: Final = ("kafka.bootstrapServers=kafka:9092",)  # the one value without a default
_HEAD: Final = "# Made by `make kustomize` from the chart with its defaults: change the chart, not this file.\n"


class Refused(Exception):
    """Helm does not render the chart with these values."""


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


def kustomize_base() -> str:
    """Return deploy/kustomize/base/daymark.yaml: without what only Helm's own labels and hooks are for."""
    kept = []
    for found in objects():
        found["metadata"]["labels"] = _plain(found["metadata"]["labels"])
        if template := found.get("spec", {}).get("template"):
            template["metadata"]["labels"] = _plain(template["metadata"]["labels"])
        found["metadata"].pop("annotations", None)
        kept.append(found)
    return _HEAD + str(yaml.safe_dump_all(kept, sort_keys=False, width=120))


def _plain(labels: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in labels.items() if "helm" not in name and not name.endswith("managed-by")}


if __name__ == "__main__":
    sys.stdout.write(kustomize_base())
