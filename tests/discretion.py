"""Nothing that Daymark logs names a person or a secret: every line that the suite's processes log is looked at.

Two ears: what `flows.Process` and the servers of tests/ingest said, looked at when they end, and what pytest captured
of each test, from this process and its children (see conftest.py). Lines of logs only: `daymark tail` shows e-mails,
and `daymark keys` a key; that is their job. What is looked for needs no list of the data that tests send: a log line
has no reason to hold anything like an e-mail, a URL's credentials or a key at all.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping

# Any address, whole or with its "@" escaped, and with it user:password@host.
_PERSON = re.compile(r"[^\s\"'@]@[^\s\"'@]|%40|\\u0040")
_KEY = re.compile(r"\bdaymark_(?=[\w-]*[A-Z])(?=[\w-]*[a-z])[\w-]{20,}|\bdk_test\b|\b(?:Basic|Bearer) \S")
_SECRET_NAMES = re.compile(r"PASSWORD|CLAIM_KEY|_KEY$|SECRET|TOKEN")
_CONSOLE = re.compile(r"\[(?:debug|info|warning|error|critical) *\]")
_DRIVER = re.compile(r"^%\d\|\d+\.\d+\|")  # librdkafka's own lines on stderr
_FAULT = re.compile(r"^(?:Error: |daymark: )")  # what a command says when it ends badly
_LEAST = 8  # characters of a secret that can be distinguished from a word


def leaks(said: str, environment: Mapping[str, str] | None = None) -> list[str]:
    """Return the lines of logs that hold what they must not.

    Args:
        said: what processes said, lines.
        environment: of the process; its secrets are looked for as they are.
    """
    secrets = _secrets(environment or {})
    return [line for line in _log_lines(said.splitlines()) if _is_indiscreet(line, secrets)]


def check(said: str, environment: Mapping[str, str] | None = None) -> None:
    """Fail when a process was indiscreet."""
    found = leaks(said, environment)
    assert not found, "logged, and must not be:\n" + "\n".join(found)


def _log_lines(lines: Iterable[str]) -> Iterator[str]:
    return (line for line in lines if _is_log(line))


def _is_log(line: str) -> bool:
    if _CONSOLE.search(line) or _DRIVER.match(line) or _FAULT.match(line):
        return True
    if not line.startswith("{"):
        return False
    try:
        found = json.loads(line)
    except ValueError:
        return False
    return isinstance(found, dict) and {"event", "level"} <= found.keys()


def _is_indiscreet(line: str, secrets: Iterable[str]) -> bool:
    return bool(_PERSON.search(line) or _KEY.search(line)) or any(secret in line for secret in secrets)


def _secrets(environment: Mapping[str, str]) -> list[str]:
    ours = (text for name, text in environment.items() if name.startswith("DAYMARK_") and _SECRET_NAMES.search(name))
    return [text for text in ours if len(text) >= _LEAST]
