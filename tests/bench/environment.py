"""What others than Daymark run on: installed once, as locked, into the user's cache folder."""

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path

from daymark.local import jars
from daymark.local.faults import LocalFault
from daymark.local.preparation import prepare
from tests.bench.ground import cache
from tests.bench.options import Options

_HERE = Path(__file__).parent
_QUIX, _JARS, _STREAMS = _HERE / "requirements-quix.txt", _HERE / "streams.jars", _HERE / "programs" / "Streams.java"
_GO, _GO_SOURCES = "/usr/local/go/bin/go", sorted((_HERE / "programs" / "contender").glob("*"))
_IMAGE = _HERE.parents[1] / "locks" / "run.txt"
_INSTALL_S = 600


def quix(options: Options) -> list[str] | None:
    """Return the command of a Python that has Quix Streams; None, and said, where it cannot be installed."""
    folder = _folder("quix", _QUIX.read_bytes() + sys.version.encode())
    python = folder / "bin" / "python"
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]

    def install() -> None:
        _run([sys.executable, "-m", "venv", str(folder)])
        _run([*pip, "--require-hashes", "--only-binary", ":all:", "-r", str(_QUIX)])

    return [str(python)] if _installed(folder, install, "Quix Streams", options) else None


def image(python: str, options: Options) -> str | None:
    """Return an interpreter that has what the image installs; None, and said, where it cannot be installed.

    Args:
        python: an interpreter, whose virtual environment it is.
        options: of the benchmark.
    """
    folder = _folder("python", _IMAGE.read_bytes() + python.encode())
    uv, made = str(Path(sys.executable).with_name("uv")), str(folder / "bin" / "python")

    def install() -> None:
        _run([uv, "venv", "--quiet", "--python", python, str(folder)])
        words = ["--require-hashes", "--only-binary", ":all:", "-r", str(_IMAGE)]
        _run([uv, "pip", "install", "--quiet", "--python", made, *words])
        # Daymark itself runs from its folder, and asks for its version.
        info = next(folder.glob("lib/python*/site-packages")) / f"daymark-{version('daymark')}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: daymark\nVersion: {version('daymark')}\n")

    return made if _installed(folder, install, f"what the image has, for {python},", options) else None


def streams(options: Options) -> list[str] | None:
    """Return the command of a Java that runs the Kafka Streams program; None, and said, where it cannot be made."""
    kit = prepare(cache())
    folder = _folder("streams", _JARS.read_bytes() + _STREAMS.read_bytes())
    pinned = [jars.Jar(*line.replace(":", " ").split()) for line in _JARS.read_text().splitlines() if line[0] != "#"]
    library, compiler = (folder / jar.filename for jar in pinned)
    class_path = ":".join(map(str, [folder, library, *kit.jars]))

    def install() -> None:
        jars.fetch_missing(folder, pinned)
        words = ["-nowarn", "-25", "-d", str(folder), "-cp", class_path, str(_STREAMS)]
        _run([str(kit.java), "-jar", str(compiler), *words])

    if not _installed(folder, install, "Kafka Streams", options):
        return None
    return [str(kit.java), "-Xmx512m", "-Xlog:disable", "-cp", class_path, _STREAMS.stem]


def compiled(options: Options) -> list[str] | None:
    """Return the command of the Go contender; None, and said, where it cannot be built."""
    go = shutil.which("go") or _GO
    if not Path(go).exists():
        options.note("there is no Go: the compiled contender is skipped")
        return None
    folder = _folder("go", b"".join(file.read_bytes() for file in _GO_SOURCES))

    def install() -> None:
        folder.mkdir()
        _run([go, "build", "-C", str(_GO_SOURCES[0].parent), "-o", str(folder / "contender"), "."])

    return [str(folder / "contender")] if _installed(folder, install, "the Go contender", options) else None


def _folder(name: str, depends_on: bytes) -> Path:
    return cache() / "daymark" / f"bench-{name}-{hashlib.sha256(depends_on).hexdigest()[:12]}"


def _installed(folder: Path, install: Callable[[], None], name: str, options: Options) -> bool:
    """Install unless that was done before; half an installation is never left there."""
    ready = folder / ".ready"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with jars.locked(folder.with_suffix(".lock")):
        if not ready.exists():
            options.say(f"installing {name} in a separate folder (once)")
            shutil.rmtree(folder, ignore_errors=True)
            try:
                install()
            except (LocalFault, OSError, subprocess.SubprocessError) as fault:
                shutil.rmtree(folder, ignore_errors=True)
                options.note(f"{name} cannot be installed and is skipped: {fault}")
                return False
            ready.touch()
    return True


def _run(command: Sequence[str]) -> None:
    subprocess.run(command, capture_output=True, check=True, timeout=_INSTALL_S)
