"""The disk that is filled."""

from pathlib import Path

import pytest

from tests.faults import disk

pytestmark = pytest.mark.skipif(bool(disk.lacks()), reason=disk.lacks())


def test_a_full_disk_takes_nothing_and_a_freed_one_does(tmp_path: Path) -> None:
    """Not a page more; what the node said of it since is counted, what it said before is not."""
    home, log = tmp_path / "node-1", tmp_path / "node-1" / "kafka-1.log"
    with disk.mounted([home]) as (own,):
        log.write_text("java.io.IOException: No space left on device\n")
        segment = own.folder / "segment"
        segment.write_bytes(b"before")
        own.fill()
        with pytest.raises(OSError, match="No space left"), (own.folder / "next").open("wb", buffering=0) as file:
            file.write(bytes(4096))
        with log.open("a") as file:
            file.write("No space left on device\nNo space left on device\n")
        assert own.free() == 2
        with segment.open("ab") as file:
            file.write(bytes(4096))
    assert not segment.exists()  # it was on that disk
