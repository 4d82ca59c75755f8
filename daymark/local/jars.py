"""Apache Kafka's jars: pinned by coordinate and SHA-256, fetched once from Maven Central, kept in a user cache.

Owns: the list, the download through jgo, the check. Does not: run Java (jgo is asked for single files only, so it looks
for no Java of its own).
Invariant: a file in the folder under a jar's name had the pinned hash; nothing is fetched when all are there.
"""

import fcntl
import hashlib
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import click

from daymark import bar
from daymark.local.faults import LocalFault

KAFKA_VERSION = "4.3.1"
_PINNED = Path(__file__).with_name(f"kafka-{KAFKA_VERSION}.jars")
_AT_ONCE = 8
_TRIES = 3
_TIMEOUT_S = 30


class Jar(NamedTuple):
    """One jar, as pinned: its Maven coordinate and the SHA-256 of its bytes in hex."""

    group: str
    artifact: str
    version: str
    sha256: str

    @property
    def filename(self) -> str:
        """The name Maven gives the file."""
        return f"{self.artifact}-{self.version}.jar"


Download = Callable[[Jar, Path], Path]
"""Fetches a jar into its own folder and returns its path; raises OSError or RuntimeError."""


def pinned() -> tuple[Jar, ...]:
    """Return the jars of the broker and of its command-line tools, in the order of the class path."""
    lines = [line for line in _PINNED.read_text().splitlines() if not line.startswith("#")]
    return tuple(Jar(*line.replace(":", " ").split()) for line in lines)


def fetch_missing(folder: Path, jars: Sequence[Jar], download: Download | None = None) -> tuple[Path, ...]:
    """Fill the folder with what it lacks and return the path of every jar, in order.

    Args:
        folder: Made if absent; safe to share between processes.
        jars: What must be there.
        download: Default: from Maven Central, or the repositories of jgo's own settings file.

    Raises:
        LocalFault: A jar could not be fetched, or its bytes are not the pinned ones.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if _missing(folder, jars):
        with locked(folder / "lock"):
            _fetch(folder, _missing(folder, jars), download or _from_maven)
    return tuple(folder / jar.filename for jar in jars)


@contextmanager
def locked(file: Path) -> Iterator[None]:
    """Hold a lock that other processes wait for; it is free again when the holder dies."""
    with file.open("ab") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def _missing(folder: Path, jars: Sequence[Jar]) -> list[Jar]:
    return [jar for jar in jars if not (folder / jar.filename).exists()]


def _fetch(folder: Path, jars: Sequence[Jar], download: Download) -> None:
    title = f"Fetching Apache Kafka {KAFKA_VERSION} (once)"
    with bar.shown() as shown, ThreadPoolExecutor(_AT_ONCE) as pool:
        shown.expect(len(jars)).advance(title, 0)
        if not shown.is_visible:
            click.echo(f"{title}: {len(jars)} files", err=True)
        running = [pool.submit(_fetch_one, folder, jar, download) for jar in jars]
        try:
            for done in as_completed(running):
                done.result()
                shown.advance(title, 1)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _fetch_one(folder: Path, jar: Jar, download: Download) -> None:
    problem = ""
    for _ in range(_TRIES):
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            try:
                file = download(jar, Path(scratch))
            except (OSError, RuntimeError) as error:
                problem = f"could not be fetched ({error}). Check the network and retry"
                continue
            found = hashlib.sha256(file.read_bytes()).hexdigest()
            if found == jar.sha256:
                file.replace(folder / jar.filename)
                return
            problem = (
                f"has SHA-256 {found}, not {jar.sha256}: not the genuine file. Check proxies and jgo's repositories"
            )
    raise LocalFault(f"{jar.group}:{jar.artifact}:{jar.version} {problem}")


def _from_maven(jar: Jar, scratch: Path) -> Path:
    try:
        from jgo.config import GlobalSettings  # noqa: PLC0415 (takes a second, needed once)
        from jgo.maven import MavenContext  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise LocalFault("the package jgo is missing: pip install 'daymark[local]'") from error
    repositories = GlobalSettings.load().repositories or None
    context = MavenContext(repo_cache=scratch, remote_repos=repositories, timeout=_TIMEOUT_S)
    return context.project(jar.group, jar.artifact).at_version(jar.version).artifact().resolve()
