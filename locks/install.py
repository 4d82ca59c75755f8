"""Install what a lock file lists, with pip of the running Python, and show how far it has come.

    .venv/bin/python locks/install.py locks/up.txt

On a terminal one line says which package is being fetched; elsewhere nothing is said unless pip fails.
"""

import re
import subprocess
import sys
from pathlib import Path

_PACKAGE = re.compile(r"^Collecting (\S+?)[=<>!~; ]", re.MULTILINE)


def main(lock: Path) -> int:
    """Install and return pip's exit status."""
    total = len(re.findall(r"^\S+==", lock.read_text("utf-8"), re.MULTILINE))
    pip = (sys.executable, "-m", "pip", "install", "--disable-pip-version-check", "--progress-bar", "off")
    said: list[str] = []
    with subprocess.Popen(
        [*pip, "--require-hashes", "-r", str(lock)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as running:
        for line in running.stdout or ():
            said.append(line)
            if found := _PACKAGE.match(line):
                _show(f"fetching {sum(map(bool, map(_PACKAGE.match, said)))} of {total} packages: {found[1]}")
            elif line.startswith("Installing collected"):
                _show("installing")
    _show("")
    if running.returncode:
        sys.stderr.write("".join(said))
    return running.returncode


def _show(text: str) -> None:
    if sys.stdout.isatty():
        sys.stdout.write(f"\r\033[K{text}")
        sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
