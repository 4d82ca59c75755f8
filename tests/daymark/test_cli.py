"""The program: help, exit statuses, no tracebacks."""

import importlib
import os
import socket
import subprocess
import sys

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
    command = importlib.import_module(f"daymark.{name}").command
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
    assert said.stderr.splitlines() == [
        "daymark: DAYMARK_KAFKA: 'x' is not host:port",
        "daymark: DAYMARK_REDIS: a URL is wanted that begins with redis://, rediss://, unix://, redis+cluster://",
        "daymark: DAYMARK_HTTP: 'z' is not host:port",
    ]


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
