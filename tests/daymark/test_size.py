"""`daymark size`: every figure has its source, more load needs no less, and nonsense is refused with what to do."""

import json
from math import ceil

import pytest
from click.testing import CliRunner, Result

from daymark.commands.size import command
from daymark.sizing import measured
from daymark.sizing.estimate import Load, Need, estimate
from daymark.sizing.quantities import count, rate, shown

FIGURES = measured.read()
LOAD = Load(
    contacts=50_000_000,
    syncs_per_day=8,
    peak_per_s=200_000,
    properties=1,
    batched=True,
    rejected=0.01,
    replication=3,
    retention_days=30,
    claim_days=8,
    margin=1.5,
)


def run(*words: str) -> Result:
    return CliRunner().invoke(command, words, prog_name="daymark size")


def needs(load: Load) -> dict[str, Need]:
    return {need.name: need for need in estimate(load, FIGURES)}


def test_workers_keep_up_with_the_peak_and_partitions_with_the_workers() -> None:
    found = needs(LOAD)
    workers = ceil(300_000 / FIGURES.worker_property_per_s.value)
    assert found["workers"].value == workers
    assert found["partitions"].value >= workers
    assert found["partitions"].value % 12 == 0
    assert found["ingest instances"].value == ceil(300_000 / FIGURES.ingest_batched_per_s.value)


def test_disk_holds_each_topic_for_its_retention() -> None:
    """30 days of raw events, 90 of interactions, in three replicas, with the margin; the total is their sum."""
    found = needs(LOAD)
    raw = 50e6 * 8 * 30 * FIGURES.event_batched_bytes.value * 3 * 1.5
    assert found["disk of segment.events"].value == pytest.approx(raw)
    interactions = 50e6 * 90 * FIGURES.interaction_bytes.value * 3 * 1.5
    assert found["disk of timeline.interactions"].value == pytest.approx(interactions)
    topics = [need.value for name, need in found.items() if name.startswith("disk of ")]
    assert len(topics) == 4
    assert found["Kafka disk"].value == pytest.approx(sum(topics))


def test_the_store_holds_claims_for_their_lifetime_and_a_clock_each() -> None:
    each = 9 * FIGURES.claim_bytes.value + FIGURES.clock_bytes.value
    assert needs(LOAD)["store memory"].value == pytest.approx(50e6 * each * 1.5)


@pytest.mark.parametrize(
    "more",
    [
        {"contacts": 100_000_000},
        {"syncs_per_day": 16},
        {"peak_per_s": 400_000},
        {"properties": 5},
        {"batched": False},
        {"replication": 4},
        {"retention_days": 60},
        {"claim_days": 30},
        {"margin": 3},
        {"rejected": 0.5},
    ],
    ids=str,
)
def test_more_load_needs_more_of_something_and_less_of_nothing(more: dict[str, float]) -> None:
    before, after = needs(LOAD), needs(LOAD._replace(**more))  # type: ignore[arg-type]
    assert [name for name in before if after[name].value < before[name].value] == []
    assert [name for name in before if after[name].value > before[name].value] != []


def test_without_properties_no_clock_and_no_property_is_stored() -> None:
    found = needs(LOAD._replace(properties=0))
    assert found["disk of contact.traits"].value == 0
    assert FIGURES.clock_bytes not in found["store memory"].figures
    assert found["workers"].figures == (FIGURES.worker_per_s,)


def test_each_line_is_shown_with_its_formula_and_its_source() -> None:
    said = run("--contacts", "50M", "--syncs-per-day", "8", "--peak", "200k/s")
    assert said.exit_code == 0, said.output
    for need in estimate(LOAD._replace(batched=False), FIGURES):
        assert need.name in said.output
        assert need.text in said.output
        for figure in need.figures:
            assert figure.meaning in said.output
            assert f"PART={figure.part}" in said.output


def test_a_program_reads_value_unit_formula_and_source() -> None:
    said = json.loads(run("--contacts", "2k", "--json").stdout)
    assert said["load"]["contacts"] == 2000
    assert said["load"]["peak_per_s"] == pytest.approx(2000 / 3600)
    workers = next(need for need in said["needs"] if need["name"] == "workers")
    assert workers["value"] == 1
    assert workers["figures"][0]["source"].startswith("make bench PART=processor")


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--contacts", "0"], "whole number from 1"),
        (["--contacts", "-5"], "whole number from 1"),
        (["--contacts", "50 million"], "such as 800, 50k"),
        (["--contacts", "1.5"], "whole number"),
        (["--contacts", "nan"], "whole number"),
        (["--contacts", "1M", "--peak", "0"], "rate above 0"),
        (["--contacts", "1M", "--peak", "5/m"], "such as 500, 2.5k/s"),
        (["--contacts", "50M", "--syncs-per-day", "8", "--peak", "1k/s"], "less than the average of a day"),
        (["--contacts", "1M", "--margin", "0.5"], "--margin"),
        (["--contacts", "1M", "--margin", "nan"], "--margin"),
        (["--contacts", "1M", "--syncs-per-day", "0"], "--syncs-per-day"),
        (["--contacts", "1M", "--syncs-per-day", "nan"], "--syncs-per-day"),
        (["--contacts", "1M", "--rejected", "nan"], "--rejected"),
        ([], "--contacts"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_nonsense_is_refused_with_what_to_write(words: list[str], why: str) -> None:
    said = run(*words)
    assert said.exit_code == 2
    assert why in said.stderr.replace("\n", " ")


def test_quantities_are_read_as_people_write_them() -> None:
    assert [count(text) for text in ("800", "50k", "1.5M", "2G", " 3 K ")] == [800, 50_000, 1_500_000, 2 * 10**9, 3000]
    assert [rate(text) for text in ("200k/s", "200000", "0.5/s")] == [200_000, 200_000, 0.5]
    assert [shown(value, "B") for value in (0, 999, 1000, 18_230_000, 999_999)] == [
        "0.00 B",
        "999 B",
        "1.00 kB",
        "18.3 MB",
        "1.00 MB",
    ]
