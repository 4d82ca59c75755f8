"""Another state of Daymark to measure in the same run: `make bench BASE=<git ref>`.

Its files are unpacked into a folder that goes afterwards, and run there by the same Python with the same dependencies:
the folder of a module that is run comes before all that is installed.
"""

import io
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager

from tests.bench import report
from tests.bench.ground import folder
from tests.flows import DAYMARK


@contextmanager
def unpacked(ref: str | None) -> Iterator[dict[str, tuple[str, ...]]]:
    """Give the command of each Daymark that is measured, by what its rows are called after its name.

    Raises:
        ValueError: git knows no such state.
    """
    if ref is None:
        yield {"": DAYMARK}
        return
    packed = subprocess.run(["git", "archive", "--format=tar", ref], cwd=report.ROOT, capture_output=True, check=False)
    if packed.returncode:
        raise ValueError(f"BASE={ref}: {packed.stderr.decode().strip()}")
    with folder() as at, tarfile.open(fileobj=io.BytesIO(packed.stdout)) as files:
        files.extractall(at, filter="data")
        yield {"": DAYMARK, f" of {ref}": ("env", "-C", at, sys.executable, "-m", "daymark")}
