"""Leaders that are moved: who is next, and what is asked of Kafka."""

from collections.abc import Sequence

import pytest

from tests.faults import leaders


@pytest.mark.parametrize(
    ("replicas", "leader", "in_sync", "order"),
    [
        ([1, 2, 3], 1, [1, 2, 3], [2, 3, 1]),
        ([2, 3, 1], 2, [1, 2, 3], [3, 1, 2]),
        ([1, 2, 3], 3, [3, 1], [1, 2, 3]),
        ([1, 2, 3], 1, [1, 3], [3, 2, 1]),
        ([1, 2, 3], 1, [1], []),
        ([1, 2, 3], -1, [], []),
    ],
)
def test_another_replica_in_sync_leads(
    replicas: Sequence[int], leader: int, in_sync: Sequence[int], order: list[int]
) -> None:
    """The next one in sync is first, nobody is added or removed; where there is none, nothing is done."""
    assert leaders.led_by_another(replicas, leader, in_sync) == order


def test_what_is_asked() -> None:
    """AlterPartitionReassignments, version 0, as in Kafka's protocol guide."""
    asked = leaders.request("topic", {5: [2, 3]})
    assert asked.frame[4:].hex(" ") == (
        "00 2d 00 00 00 00 00 01 ff ff 00 "  # key 45, version 0, correlation 1, no client id, no tags
        "00 00 3a 98 02 06 74 6f 70 69 63 "  # 15 s; one topic, of five letters
        "02 00 00 00 05 03 00 00 00 02 00 00 00 03 00 "  # one partition, 5, with two replicas: 2, 3; no tags
        "00 00"  # no tags of the topic, none of the request
    )
    assert int.from_bytes(asked.frame[:4]) == len(asked.frame) - 4
    many = leaders.request("t" * 200, {0: [1]})
    assert b"\xc9\x01" + b"t" * 200 in many.frame  # 201 in two bytes
