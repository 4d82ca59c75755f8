"""What librdkafka's statistics say of a worker's partitions and of its place in the group."""

import json
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from structlog.testing import capture_logs

from processor import statistics
from processor.errors import KafkaAway
from processor.statistics import Position
from tests.processor.drivers import FakeConsumer, came, revoked
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


def waits(state: str) -> Callable[[FakeConsumer], None]:
    """The driver says what its member waits for."""
    return lambda consumer: consumer.config["stats_cb"](text({"state": "up", "join_state": state}))


@pytest.mark.parametrize("state", ["wait-join", "wait-sync"])
def test_a_join_without_an_answer_is_given_up(state: str) -> None:
    """After three session time-outs; a new consumer asks anew."""
    member = Member(**{"session.timeout.ms": 20})
    with suppress(KafkaAway):  # on a machine that is slow enough, already now
        member.read(waits(state))
    time.sleep(0.07)
    with pytest.raises(KafkaAway, match="has not answered the request to join the group"):
        member.read(waits(state))


@pytest.mark.parametrize("answered", [waits("steady"), waits("init"), came(), revoked()])
def test_a_member_that_was_answered_waits_anew(answered: Callable[[FakeConsumer], None]) -> None:
    """Whether it got partitions or not: a member without any stays."""
    member = Member(**{"session.timeout.ms": 20})
    with suppress(KafkaAway):
        member.read(waits("wait-join"))
    time.sleep(0.07)
    assert member.read(answered) == []
    assert member.read(waits("wait-metadata")) == []


def test_a_join_may_take_a_while() -> None:
    """The coordinator waits for members that are gone or at a batch."""
    member = Member(**{"session.timeout.ms": 600_000})
    member.read(waits("wait-join"))
    time.sleep(0.07)
    assert member.read(waits("wait-join")) == []


@pytest.mark.parametrize("said", ["", "[]", '{"time": "now"}'])
def test_other_statistics_stop_nothing(said: str) -> None:
    """A callback that raises would cost the driver's batch."""
    member = Member()
    with capture_logs() as logged:
        assert member.read(came(0), lambda consumer: consumer.config["stats_cb"](said)) == []
    assert [line["event"] for line in logged] == ["partitions.assigned", "statistics.unreadable"]
