"""What librdkafka's statistics say of a worker's partitions and of its place in the group."""

import json
from typing import Any

import pytest
from structlog.testing import capture_logs

from processor import statistics
from processor.statistics import Position
from tests.processor.drivers import came
from tests.processor.member import Member

TIME = 1_796_031_344


def text(group: dict[str, Any] | None = None, rxidle: int = 500_000, **partition: Any) -> str:
    """Return the parts of a real consumer's statistics that are read here."""
    of = {"broker": 1, "fetch_state": "active", "next_offset": 20, "app_offset": 20, "ls_offset": 20, "fetchq_cnt": 0}
    return json.dumps(
        {
            "time": TIME,
            "brokers": {
                "k:9092/1": {"nodeid": 1, "rxidle": rxidle, "state": "UP"},
                "GroupCoordinator": {"nodeid": -1, "rxidle": 7, "source": "logical"},
            },
            "topics": {"t": {"partitions": {"0": {**of, **partition}, "-1": of}}},
            "cgrp": group or {"state": "up", "join_state": "steady"},
        }
    )


@pytest.mark.parametrize(
    ("fields", "drained"),
    [
        ({}, True),
        ({"next_offset": 15, "app_offset": 15}, False),  # not fetched yet
        ({"app_offset": 15, "fetchq_cnt": 5}, False),  # fetched, not handed out
        ({"app_offset": 15}, True),  # what follows is no record
        ({"fetchq_cnt": 5}, True),  # of other partitions: the queue is one
        ({"app_offset": -1001}, True),  # nothing since the assignment
        ({"broker": 2}, False),  # nobody who was heard
        ({"rxidle": -1}, False),
    ],
)
def test_what_is_drained(fields: dict[str, Any], drained: bool) -> None:  # noqa: FBT001  a parameter of the test
    """Since the broker was last heard of, and only where it has no more and all was handed out."""
    assert statistics.read(text(**fields), "t").positions == [Position(0, 20, TIME - 0.5 if drained else None)]


@pytest.mark.parametrize("partition", [{"fetch_state": "offset-query"}, {"ls_offset": -1001}])
def test_a_partition_that_is_not_fetched_says_nothing(partition: dict[str, Any]) -> None:
    assert statistics.read(text(**partition), "t").positions == []
    assert statistics.read(text(), "another").positions == []


@pytest.mark.parametrize(
    ("state", "join_state", "age_ms", "is_settled"),
    [
        ("up", "steady", 0, True),
        ("up", "init", 3000, True),
        ("up", "init", 2999, False),
        ("up", "wait-join", 9000, False),
        ("wait-coord", "steady", 0, False),
    ],
)
def test_a_place_in_the_group(state: str, join_state: str, age_ms: int, *, is_settled: bool) -> None:
    """By the consumer protocol a member without partitions stays in "init", in which every member begins."""
    found = statistics.read(text({"state": state, "join_state": join_state, "stateage": age_ms}), "t")
    assert found.is_settled is is_settled


@pytest.mark.parametrize("said", ["", "[]", '{"time": "now"}'])
def test_other_statistics_stop_nothing(said: str) -> None:
    """A callback that raises would cost the driver's batch."""
    member = Member()
    with capture_logs() as logged:
        assert member.read(came(0), lambda consumer: consumer.config["stats_cb"](said)) == []
    assert [line["event"] for line in logged] == ["partitions.assigned", "statistics.unreadable"]
