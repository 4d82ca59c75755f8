"""What Kafka runs on: a Java runtime, the jars, and an archive of loaded classes that halves the time to start."""

from dataclasses import dataclass
from pathlib import Path

# For two cores and a small heap. Without the optimising compiler a node needs half the CPU time to start, and half for
# each of its first 600,000 records; who measures millions adds -XX:TieredStopAtLevel=4. Java's own warnings, of an
# archive that does not fit, would only clutter logs.
_JAVA_OPTIONS = (
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-XX:-UsePerfData",
    "-XX:+ExitOnOutOfMemoryError",
    "-Xss512k",
    "-Djava.awt.headless=true",
    "-Xlog:disable",
    "-Xlog:all=error:stderr",
)


@dataclass(frozen=True, slots=True)
class Kit:
    """A Java runtime with Kafka's jars; `archive`, where there is one, only makes Java start faster."""

    java: Path
    jars: tuple[Path, ...]
    archive: Path | None = None

    def command(self, main_class: str, *arguments: str | Path, options: tuple[str, ...] = ()) -> list[str]:
        """Return the command line that runs a main class of Kafka; `options` are Java's."""
        archive = () if self.archive is None else (f"-XX:AOTCache={self.archive}",)
        class_path = ":".join(map(str, self.jars))
        java = (str(self.java), *_JAVA_OPTIONS, *archive, *options, "-cp", class_path, main_class)
        return [*java, *map(str, arguments)]
