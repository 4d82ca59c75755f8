"""`make bench` distinguishes wrong outcomes from right ones, counts correctly, and shows what it left behind."""

import json
import os
import re
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bench import base, plot, report, searches, targets
from tests.bench.contenders import AFTERNOON, PASS_THROUGH, PASSED, WRITTEN, Contender, Wrong, take, worker
from tests.bench.figures import Row, Spread, ratios, sheets
from tests.bench.ground import Ground
from tests.bench.load import Multiset, Shape, Work, send
from tests.bench.measuring import cpu_s, tree
from tests.bench.mixed import Mix

EVENTS, CONTACTS, PARTITIONS = 600, 100, 4
ROWS = [
    Row("processor", "pass-through", "own CPU, warm half", "µs an event", (5.0, 4.0, 6.0), "our own load"),
    Row("processor", "worker", "own CPU, warm half", "µs an event", (5.5, 5.0, 6.0), "our own load"),
    Row("processor", "worker", "rate", "events/s", (90_000.0,), "our own load"),
]


def test_a_target_stands_beside_what_was_measured_now_and_of_a_base() -> None:
    rows = [
        Row("processor", name, "own CPU, warm half", "µs an event", values, "mixed load")
        for name, values in (("worker", (14.0, 28.0)), ("worker of v1", (40.0, 40.0)))
    ]
    assert targets.table(rows) is None  # there is nothing that a target is about
    rows.append(
        Row("processor", "Kafka Streams, 2 threads", "own CPU, warm half", "µs an event", (20.0, 20.0), "mixed load")
    )
    assert targets.table(rows) == (
        [targets.TITLE, "v1", "now", "wanted"],
        [["worker beside Kafka Streams' warm half, own CPU, times", "2.00", "1.05 (0.70 to 1.40)", "at most 0.7"]],
    )


@pytest.fixture
def ground(kafka: str, redis_url: str) -> Iterator[Ground]:
    here = Ground(kafka, redis_url, {})
    yield here
    here.clear()


@pytest.fixture
def work(ground: Ground) -> Work:
    road = ground.road("t", PARTITIONS, (PASSED, WRITTEN))
    return send("a case", road, PARTITIONS, Shape(EVENTS, CONTACTS, days=2))


@pytest.mark.parametrize("contender", [PASS_THROUGH, AFTERNOON, worker(), worker(2)], ids=lambda one: one.name)
def test_a_contender_does_all_of_the_work(ground: Ground, work: Work, contender: Contender) -> None:
    """It is right, or this raises; of so little work much may be done before it is looked at."""
    run = take(ground, work, contender)
    assert run.peak_mb > 10
    assert 0 <= run.missed <= 1


def test_a_worker_does_all_of_the_mixed_load_and_refuses_what_is_broken(ground: Ground) -> None:
    road = ground.road("m", PARTITIONS)
    work = send("mixed", road, PARTITIONS, Mix(EVENTS, days=2))
    assert (work.events, work.interactions.members, work.refused) == (EVENTS, EVENTS * 0.3, EVENTS * 0.02)
    take(ground, work, worker())
    with pytest.raises(Wrong, match="it should be 11 rejections"):
        take(ground, work._replace(refused=work.refused - 1), worker())


def test_another_state_runs_its_own_code() -> None:
    with base.unpacked("HEAD") as daymarks:
        assert list(daymarks) == ["", " of HEAD"]
        *command, _, _ = daymarks[" of HEAD"]
        said = subprocess.check_output([*command, "-c", "import processor; print(processor.__file__)"], text=True)
    assert said.startswith(command[2])


def test_an_outcome_that_is_not_right_is_no_figure(ground: Ground, work: Work) -> None:
    """A pass-through lets every event pass: as a worker it would have doubled."""
    doubling = PASS_THROUGH._replace(result=lambda of: (of.road.topics.prefix + PASSED, "key", of.contacts))
    with pytest.raises(Wrong, match="600 results are committed, it should be 200"):
        take(ground, work, doubling)


def test_a_contender_that_ends_is_no_figure(ground: Ground, work: Work) -> None:
    ending = PASS_THROUGH._replace(command=lambda *_: [sys.executable, "-c", "print('assigned')"])
    with pytest.raises(Wrong, match="it ended with 0"):
        take(ground, work, ending)


@pytest.mark.parametrize("other", [[b"a", b"b"], [b"a", b"b", b"b"], [b"a", b"b", b"d"], [b"a", b"b", b"c", b"c"]])
def test_multisets_differ_when_one_is_lost_doubled_or_another(other: list[bytes]) -> None:
    assert Multiset.of(other) != Multiset.of([b"c", b"b", b"a"]) == Multiset.of([b"a", b"b", b"c"])


def test_cpu_of_children_counts() -> None:
    """A parent that only waits has taken what its children took, while they run and when they have ended."""
    burn = "import time\nwhile time.process_time() < 0.3: pass"
    code = f"import subprocess, sys\nfor _ in range(2): subprocess.run([sys.executable, '-c', {burn!r}])\ninput()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE) as parent:
        deadline = time.monotonic() + 60
        while cpu_s(parent.pid) < 0.6 or len(tree(parent.pid)) > 1:
            assert time.monotonic() < deadline, cpu_s(parent.pid)
            time.sleep(0.05)
        assert parent.stdin is not None
        parent.stdin.close()


def test_ratios_are_of_the_same_run() -> None:
    own = {row.contender: row.values for row in ROWS[:2]}
    assert ratios("processor", "a case", own, "pass-through", "beside") == [
        Row("processor", "worker", "beside", "times", (1.1, 1.25, 1.0), "a case")
    ]


def test_what_was_left_is_read_again(tmp_path: Path) -> None:
    """A part takes the place of the same part before; the others stay."""
    file, left = tmp_path / "folder" / "latest.json", report.Report()
    for part, rows in (("growth", ROWS[:1]), ("processor", ROWS[:1]), ("processor", ROWS)):
        report.add(left, part, report.machine("these parts"), rows)
    report.write(file, left, plot.drawn(left))
    again = report.read(file)
    assert (report.rows(again, "processor"), report.rows(again, "growth")) == (ROWS, ROWS[:1])
    assert report.rows(again, "ingest") == []
    assert re.search(r"\d cores of .*Kafka \d.*these parts", report.machine_line(again["parts"]["growth"]))


def test_a_sheet_has_a_line_for_each_contender_and_a_column_for_each_measure() -> None:
    (sheet,) = sheets("processor", ROWS)
    assert sheet.title == "processor, our own load"
    assert sheet.columns == ["own CPU, warm half, µs an event", "rate, events/s"]
    assert sheet.lines == [
        ("pass-through", [Spread(4.0, 5.0, 6.0), None]),
        ("worker", [Spread(5.0, 5.5, 6.0), Spread(90_000.0, 90_000.0, 90_000.0)]),
    ]
    assert [str(cell) for cell in sheet.lines[1][1]] == ["5.50 (5.00 to 6.00)", "90,000"]


def test_cases_of_one_contender_share_a_sheet() -> None:
    alone = [Row("processor", "worker", "own CPU", "µs an event", (6.0,), case) for case in ("all firsts", "no firsts")]
    compared, others = sheets("processor", [*ROWS, *alone])
    assert compared.title == "processor, our own load"
    assert [name for name, _ in others.lines] == ["worker, all firsts", "worker, no firsts"]
    assert [name for name, _ in sheets("growth", alone)[0].lines] == ["all firsts", "no firsts"]


def test_the_plot_shows_each_contender_with_its_unit() -> None:
    left = report.Report()
    report.add(left, "processor", {}, ROWS)
    drawn = ET.fromstring(plot.drawn(left))
    texts = [element.text for element in drawn.iter("{http://www.w3.org/2000/svg}text")]
    assert {"pass-through", "worker", "5.50", "µs an event"} <= set(texts)
    assert "prefers-color-scheme: dark" in plot.drawn(left)


def test_searches_are_timed_over_contacts_who_were_in_touch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Filled in pieces, with every index made again: each search finds somebody, and the day of an interaction."""
    monkeypatch.setattr(searches, "_PIECE", 300)
    monkeypatch.setattr(searches, "_SEARCHES", 50)
    took = searches.times(1_000)
    assert len(took) == 50
    assert 0 < took[0] <= took[-1]


def test_one_part_as_a_command(kafka: str, redis_url: str, tmp_path: Path) -> None:
    """JSON alone on stdout, the same in the folder asked for, and a plot beside it."""
    environ = {**os.environ, "DAYMARK_TEST_KAFKA": kafka, "DAYMARK_TEST_REDIS": redis_url}
    words = ["--part", "start", "--runs", "1", "--seconds", "0.5", "--json", "--output", str(tmp_path)]
    done = _bench(*words, environ=environ)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found == json.loads((tmp_path / "latest.json").read_text())
    assert found["parts"]["start"]["parts"] == f"the given Kafka ({kafka}) and Redis"
    assert {row["measure"] for row in found["parts"]["start"]["rows"]} >= {"exec to first commit", "at rest"}
    assert (tmp_path / "latest.svg").exists()


def test_bad_use_is_told_without_a_traceback() -> None:
    environ = {name: text for name, text in os.environ.items() if not name.startswith("DAYMARK_TEST_")}
    done = _bench("--part", "start", environ={**environ, "DAYMARK_TEST_KAFKA": "127.0.0.1:1"})
    assert done.returncode == 2
    assert "set both of DAYMARK_TEST_KAFKA and DAYMARK_TEST_REDIS, or none" in done.stderr
    assert "Traceback" not in done.stderr


def _bench(*words: str, environ: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tests.bench", *words],
        cwd=report.ROOT,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
