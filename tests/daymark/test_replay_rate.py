"""How long a replay takes, told at a rate that was measured: never at that of workers with nothing to do."""

import pytest
from prometheus_client import Counter, Gauge

from daymark.figures.scrape import Labels, Scrape
from daymark.instant import lasting
from daymark.replaying.rate import Progress, given, of_benchmark, of_group, of_workers
from daymark.sizing import measured
from processor.metrics import BACKLOG_EVENTS, BACKLOG_SECONDS, PARTITIONS

NONE: Labels = ()


def named(metric: Counter | Gauge) -> str:
    return next(sample.name for family in metric.collect() for sample in family.samples)


def worker(events: float = 0, seconds: float = 0) -> Scrape:
    figures = {named(PARTITIONS): 6, named(BACKLOG_EVENTS): events, named(BACKLOG_SECONDS): seconds}
    return Scrape("http://127.0.0.1:8082", 0, {(name, NONE): value for name, value in figures.items()})


def test_a_group_that_is_behind_shows_what_it_can_do() -> None:
    rate = of_group([Progress(100, 700, 5000), Progress(0, 300, 300), Progress(7, 7, 7)], 3.0)
    assert rate is not None
    assert (rate.events_per_s, rate.source) == (300.0, "group")
    assert str(rate) == "300 events/s: what the group has committed in the last 3 s, 4,300 events behind"


@pytest.mark.parametrize(
    "part",
    [
        Progress(100, 103, 103),  # nearly idle: it only took what came
        Progress(100, 150, 103),
        Progress(100, 100, 5000),  # nobody works on it
    ],
)
def test_a_rate_that_says_nothing_of_what_a_group_can_do_is_not_told(part: Progress) -> None:
    """Nor is it where another partition, not behind, moved meanwhile."""
    assert of_group([part, Progress(0, 10, 10)], 3.0) is None


def test_workers_that_had_a_backlog_stand_for_those_that_had_none() -> None:
    away, ingest = Scrape("", 0, None), Scrape("", 0, {("daymark_ingest_kafka_up", NONE): 1})
    rate = of_workers([worker(60_000, 3), worker(30_000, 3), worker(), away, ingest])
    assert rate is not None
    assert (rate.events_per_s, rate.source) == (45_000.0, "workers")
    assert "3 workers reached in backlogs since the start (90,000 events)" in str(rate)
    assert of_workers([worker(), away, ingest]) is None


def test_without_a_measurement_it_says_so() -> None:
    """One worker at least: before any has started, too."""
    figure = measured.read().worker_property_per_s
    assert [of_benchmark(figure, workers).events_per_s / figure.value for workers in (0, 1, 3)] == [1, 1, 3]
    assert "nothing was measured here" in str(of_benchmark(figure, 2))
    assert str(given(5000)) == "5,000 events/s"


def test_durations_are_told_as_people_do() -> None:
    assert [lasting(seconds) for seconds in (0.4, 119, 121, 7100, 9000)] == [
        "0 s",
        "119 s",
        "2 min",
        "118 min",
        "2.5 h",
    ]
