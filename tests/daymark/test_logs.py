"""Every log line is one line of JSON, whoever said it, with its traceback in it."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
SAY = """
import logging, structlog, sys
from daymark import logs
logs.configure(*sys.argv[1:])
for log in (structlog.get_logger(), logging.getLogger("asyncio")):
    secret = "the value of a variable"
    try:
        {}["missing"]
    except KeyError:
        log.exception("it.failed")
"""


def test_a_traceback_is_in_its_line() -> None:
    """Also that of the standard library's loggers, asyncio's among them; variables' values are not."""
    said = subprocess.run([sys.executable, "-c", SAY], cwd=ROOT, capture_output=True, text=True, check=True)
    lines = [json.loads(line) for line in said.stdout.splitlines()]
    assert [(line["event"], line["level"]) for line in lines] == [("it.failed", "error")] * 2
    assert [line["exception"].splitlines()[-1] for line in lines] == ["KeyError: 'missing'"] * 2
    assert "the value" not in said.stdout + said.stderr


def test_text_for_people_and_a_level_by_setting() -> None:
    """DAYMARK_LOG_FORMAT=text without a terminal: readable lines without colours; a level leaves lower lines out."""
    say = "import structlog; from daymark import logs; logs.configure({}); structlog.get_logger().info('it.went', at=1)"
    said = [
        subprocess.run(
            [sys.executable, "-c", say.format(how)], cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout
        for how in ("'text'", "'json'", "'json', 'warning'", "'text', 'debug'")
    ]
    assert "it.went" in said[0]
    assert "at=1" in said[0]
    assert "\x1b" not in said[0]
    assert json.loads(said[1])["at"] == 1
    assert said[2] == ""
    assert "it.went" in said[3]
