"""Which Python this is, and what its builder did for its speed. Run as a program by others than our own: no imports."""

import json
import platform
import sys
import sysconfig
from typing import Any


def described() -> str:
    """Return its version, compiler, and what makes it faster."""
    # Debian builds with profiles by steps of its own, and empties the flag that others keep unused.
    profiled = "--enable-optimizations" in _built("CONFIG_ARGS") or not _built("PGO_PROF_USE_FLAG")
    words = ["PGO" if profiled else "no PGO", *["LTO"] * ("--with-lto" in _built("CONFIG_ARGS"))]
    jit: Any = getattr(sys, "_jit", None)  # since 3.14
    if jit is not None and jit.is_enabled():
        words.append("JIT")
    compiler = sys.version.rpartition("[")[2].rstrip("]")
    return f"{platform.python_version()} ({', '.join([compiler, *words])})"


def _built(name: str) -> str:
    return str(sysconfig.get_config_var(name) or "")


if __name__ == "__main__":
    told = {"name": described(), "version": sys.version_info[:2], "implementation": sys.implementation.name}
    sys.stdout.write(json.dumps(told))
