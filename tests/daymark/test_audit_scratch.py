"""An audit's temporary folder is its own; what a killed one left is removed by the next."""

import subprocess
import sys
from pathlib import Path

import pytest

from daymark.auditing import scratch

KILLED = "import os, sys; from pathlib import Path; from daymark.auditing.scratch import scratch\n"
KILLED += "with scratch(Path(sys.argv[1])) as folder: (folder / 'facts').write_text('x'); os._exit(9)"


def test_what_a_killed_audit_left_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not what one in use holds, nor what has just been made, nor what is not an audit's."""
    (tmp_path / "other").mkdir()
    subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False, timeout=60)
    [left] = tmp_path.glob("daymark-audit-*")
    monkeypatch.setattr(scratch, "_YOUNG_S", 1e9)
    with scratch.scratch(tmp_path) as first:
        assert left.exists()
        monkeypatch.setattr(scratch, "_YOUNG_S", -1.0)
        with scratch.scratch(tmp_path) as second:
            assert {*tmp_path.iterdir()} == {tmp_path / "other", first, second}
    assert [*tmp_path.iterdir()] == [tmp_path / "other"]
