"""The program: help, exit statuses, no tracebacks."""

import importlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from importlib import metadata
from pathlib import Path

import pytest

from daymark.cli import COMMANDS


def run(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    clean = {name: text for name, text in os.environ.items() if not name.startswith("DAYMARK_")}
    command = [sys.executable, "-m", "daymark", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env={**clean, **environ}, timeout=60, check=False)


def test_help_lists_every_command() -> None:
    said = run("--help")
    assert said.returncode == 0
    assert all(name in said.stdout and meaning in said.stdout for name, meaning in COMMANDS.items())


@pytest.mark.parametrize("name", COMMANDS)
def test_commands_help_begins_as_listed(name: str) -> None:
    """`daymark --help` and `daymark NAME --help` say the same of a command."""
    command = importlib.import_module(f"daymark.commands.{name}").command
    assert command.name in {name, "command"}
    assert (command.help or "").splitlines()[0] == COMMANDS[name]


def test_help_loads_no_driver() -> None:
    """`daymark --help` is quick: it loads neither Kafka nor Redis."""
    code = "import sys\nfrom daymark.cli import program\ntry: program(['--help'])\nexcept SystemExit: pass\n"
    check = "sys.exit(bool({'confluent_kafka', 'redis', 'uvicorn', 'rich'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code + check], capture_output=True, check=False).returncode == 0


def test_unknown_command_is_bad_use() -> None:
    said = run("proces")
    assert said.returncode == 2
    assert "No such command" in said.stderr


@pytest.mark.parametrize("name", ["ingest", "process", "topics", "tail"])
def test_bad_settings_are_said_all_at_once(name: str) -> None:
    """Every fault is a line on stderr; exit 2; no traceback."""
    said = run(name, DAYMARK_KAFKA="x", DAYMARK_REDIS="y", DAYMARK_HTTP="z")
    assert said.returncode == 2
    kafka, redis, http = said.stderr.splitlines()
    assert kafka == "daymark: DAYMARK_KAFKA: 'x' is not host:port"
    assert redis.startswith("daymark: DAYMARK_REDIS: expected scheme://host:port")
    assert http == "daymark: DAYMARK_HTTP: 'z' is not host:port"


def test_unreadable_workspaces_are_said(tmp_path: object) -> None:
    said = run("process", DAYMARK_WORKSPACES=f"{tmp_path}/none.toml")
    assert said.returncode == 2
    assert "DAYMARK_WORKSPACES" in said.stderr
    assert "Traceback" not in said.stderr


def test_taken_port_is_said() -> None:
    """A port that cannot be had is one line that names the setting; exit 1."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        said = run("process", DAYMARK_ADMIN=f"127.0.0.1:{taken.getsockname()[1]}")
    assert said.returncode == 1
    assert "DAYMARK_ADMIN" in said.stderr
    assert "Traceback" not in said.stderr


def test_service_links_are_reported_once() -> None:
    """A Service called daymark-kafka is no reason to fail; one line says what was left out."""
    links = {"SERVICE_HOST": "10.0.0.5", "SERVICE_PORT": "9092", "PORT": "tcp://10.0.0.5:9092"}
    said = run("process", DAYMARK_REDIS="x", **{f"DAYMARK_KAFKA_{name}": text for name, text in links.items()})
    assert said.returncode == 2
    first, second = said.stderr.splitlines()
    assert "enableServiceLinks" in first
    assert "DAYMARK_REDIS" in second


@pytest.mark.parametrize("milliseconds", [20, 40, 60, 90, 130, 180, 250])
@pytest.mark.parametrize("command", ["tail", "audit"])
def test_an_interrupt_at_any_moment_leaves_no_traceback(command: str, milliseconds: int) -> None:
    """Also while modules load: the shell sees 130, and stderr no traceback."""
    program = [sys.executable, "-c", "import sys; sys.argv[0] = 'daymark'; " + INTERRUPTIBLE]
    environ = {**os.environ, "DAYMARK_KAFKA": "127.0.0.1:1"}
    with subprocess.Popen(
        [*program, command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environ
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(milliseconds / 1000)  # the moment is what is tried
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert "Traceback" not in errors
    assert process.returncode in {130, -signal.SIGINT}


START = "import daymark.__main__ as start; start.main()"
INTERRUPTIBLE = START.replace("; ", "; print(flush=True); ")


def test_a_closed_pipe_is_no_error() -> None:
    """`daymark … | head` ends without a word."""
    shell = (
        f"{sys.executable} -m daymark --help | true; {sys.executable} -m daymark keys list --file {os.devnull} | true"
    )
    done = subprocess.run(["sh", "-c", shell], capture_output=True, text=True, check=False, timeout=60)
    assert done.stderr == ""


def test_versions() -> None:
    """-V is one line; --json names what decides, for a report of a fault."""
    assert run("-V").stdout == run("--version").stdout == f"daymark {metadata.version('daymark')}\n"
    versions = json.loads(run("--version", "--json").stdout)
    assert {
        "daymark",
        "python",
        "librdkafka",
        "confluent-kafka",
        "redis",
        "fastavro",
        "tzdata",
        "time_zones",
    } <= versions.keys()
    assert None not in versions.values()
    assert run("--json").returncode == 2


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(shell: str) -> None:
    """The script that it prints completes commands and their options."""
    assert "_DAYMARK_COMPLETE" in run("completion", shell).stdout
    words, at = ("daymark", "tai") if shell == "fish" else ("daymark tai", "1")
    asked = run(_DAYMARK_COMPLETE=f"{shell}_complete", COMP_WORDS=words, COMP_CWORD=at)
    assert "tail" in asked.stdout


@pytest.mark.parametrize("options", [("--data", "/dev/null/x"), ("--data", "/proc/x"), ("--data", os.devnull)])
def test_an_impossible_data_folder_is_one_line(options: tuple[str, ...]) -> None:
    said = run("up", *options)
    assert said.returncode in {1, 2}
    assert options[1] in said.stderr
    assert "Traceback" not in said.stderr


def test_an_impossible_cache_folder_is_one_line(tmp_path: Path) -> None:
    said = run("up", "--data", str(tmp_path / "data"), XDG_CACHE_HOME=os.devnull)
    assert said.returncode == 1
    assert os.devnull in said.stderr
    assert len(said.stderr.splitlines()) == 1


@pytest.mark.parametrize("limit_bytes", [0, 20_000])
def test_a_full_disk_is_one_line(tmp_path: Path, limit_bytes: int) -> None:
    """No file may grow beyond the limit: as a full disk, at the first file or in the midst of starting."""
    limited = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({limit_bytes}, {limit_bytes})); "
    ignored = "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
    program = [sys.executable, "-c", "import sys; sys.argv[0] = 'daymark'; " + limited + ignored + START]
    said = subprocess.run(
        [*program, "up", "--data", str(tmp_path / "data")], capture_output=True, text=True, timeout=120, check=False
    )
    assert said.returncode == 1
    assert "Traceback" not in said.stderr
    assert said.stderr.startswith("Error: ")
