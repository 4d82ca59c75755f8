"""An earlier Apache Kafka to begin with, and the tool that raises the feature level at the end of a rolling upgrade."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

from daymark.local import packages
from daymark.local.jars import KAFKA_VERSION
from daymark.local.kit import Kit

RELEASE: Final = ".".join(KAFKA_VERSION.split(".")[:2])
_POM: Final = """<project>
  <modelVersion>4.0.0</modelVersion>
  <groupId>faults</groupId><artifactId>earlier-kafka</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies>
    {dependencies}
  </dependencies>
</project>
"""
_DEPENDENCY: Final = (
    "<dependency><groupId>{}</groupId><artifactId>{}</artifactId><version>{}</version>"
    "<exclusions><exclusion><groupId>org.apache.kafka</groupId><artifactId>connect-runtime</artifactId></exclusion>"
    "</exclusions></dependency>"
)
_LOG4J: Final = "2.25.4"
_COPY: Final = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"


def earlier(version: str) -> Kit:
    """Return an earlier Kafka, fetched by Maven into the user's cache where it is not there yet.

    Raises:
        subprocess.CalledProcessError: Maven could not fetch it.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "daymark"
    folder = cache / f"kafka-{version}-by-maven"
    if not folder.exists():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as scratch:
            pom, jars = Path(scratch) / "pom.xml", Path(scratch) / "jars"
            wanted = [
                ("org.apache.kafka", "kafka_2.13", version),
                ("org.apache.kafka", "kafka-tools", version),
                ("org.apache.logging.log4j", "log4j-slf4j-impl", _LOG4J),
            ]
            pom.write_text(_POM.format(dependencies="".join(_DEPENDENCY.format(*each) for each in wanted)))
            subprocess.run(["mvn", "-q", "-B", "-f", pom, _COPY, f"-DoutputDirectory={jars}"], check=True)
            jars.rename(folder)
    return Kit(packages.java(), tuple(sorted(folder.glob("*.jar"))))


def raise_level(kit: Kit, kafka: str) -> subprocess.Popen[str]:
    """Begin to raise the cluster's features to those of our release: `kafka-features upgrade --release-version`."""
    tool = (
        "org.apache.kafka.tools.FeatureCommand",
        "--bootstrap-server",
        kafka,
        "upgrade",
        "--release-version",
        RELEASE,
    )
    return subprocess.Popen(kit.command(*tool), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def lacks() -> str:
    """Return what this machine lacks for it, nothing if it can."""
    return "" if shutil.which("mvn") else "an earlier Kafka comes by Maven: install mvn"
