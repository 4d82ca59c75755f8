"""What Kafka is made of: pinned, checked, fetched once."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from daymark.local import jars
from daymark.local.faults import LocalFault
from daymark.local.jars import Jar

BYTES = b"a jar"
JAR = Jar("org.example", "thing", "1.0", hashlib.sha256(BYTES).hexdigest())


def gives(content: bytes) -> Callable[[Jar, Path], Path]:
    def download(jar: Jar, scratch: Path) -> Path:
        file = scratch / jar.filename
        file.write_bytes(content)
        return file

    return download


def test_a_real_jar_is_kept(tmp_path: Path) -> None:
    """What has the pinned hash is in the folder under its name, and nothing else is left there."""
    assert jars.fetch_missing(tmp_path, [JAR], gives(BYTES)) == (tmp_path / "thing-1.0.jar",)
    assert (tmp_path / "thing-1.0.jar").read_bytes() == BYTES
    assert sorted(path.name for path in tmp_path.iterdir()) == ["lock", "thing-1.0.jar"]


def test_a_corrupted_jar_is_refused(tmp_path: Path) -> None:
    """Other bytes than the pinned ones are named in the error and never reach the class path."""
    with pytest.raises(LocalFault, match=r"org\.example:thing:1\.0 has SHA-256") as refused:
        jars.fetch_missing(tmp_path, [JAR], gives(b"another jar"))
    assert JAR.sha256 in refused.value.message
    assert [path.name for path in tmp_path.iterdir()] == ["lock"]


def test_a_failed_download_is_one_clear_error(tmp_path: Path) -> None:
    """A missing network is reported in one line, with advice."""

    def download(_jar: Jar, _scratch: Path) -> Path:
        raise ConnectionError("no route")

    with pytest.raises(LocalFault) as refused:
        jars.fetch_missing(tmp_path, [JAR], download)
    assert "no route" in refused.value.message
    assert "retry" in refused.value.message
    assert "\n" not in refused.value.message


def test_a_passing_failure_is_tried_again(tmp_path: Path) -> None:
    """One broken connection does not end the fetching."""
    outcomes = [gives(b"half of a j"), gives(BYTES)]

    def download(jar: Jar, scratch: Path) -> Path:
        return outcomes.pop(0)(jar, scratch)

    jars.fetch_missing(tmp_path, [JAR], download)
    assert (tmp_path / JAR.filename).read_bytes() == BYTES


def test_what_is_there_is_not_fetched(tmp_path: Path) -> None:
    """Once fetched, the network is not needed."""
    jars.fetch_missing(tmp_path, [JAR], gives(BYTES))

    def download(_jar: Jar, _scratch: Path) -> Path:
        pytest.fail("fetched again")

    jars.fetch_missing(tmp_path, [JAR], download)


def test_every_jar_is_pinned() -> None:
    """Each line of the list is a coordinate and a SHA-256, and Kafka itself is among them."""
    pinned = jars.pinned()
    assert all(len(bytes.fromhex(jar.sha256)) == 32 for jar in pinned)
    assert len({jar.filename for jar in pinned}) == len(pinned)
    assert f"kafka_2.13-{jars.KAFKA_VERSION}.jar" in {jar.filename for jar in pinned}
