"""Slots are the servers' own, and 64 hash tags lie on them as evenly as 64 can."""

from collections import Counter
from pathlib import Path

import pytest

from processor.slots import SLOTS, TAGS, Node, address, holders, members, slot

HERE = Node("10.0.0.1", 7000)


def test_slots_are_those_of_the_specification() -> None:
    """CRC16 (XMODEM) modulo 16,384; the values are CLUSTER KEYSLOT's of Valkey 9."""
    assert [slot(tag) for tag in b"a0z-\x00\xff"] == [15495, 13907, 8157, 13775, 0, 7920]


def test_tags_are_one_byte_each_and_no_braces() -> None:
    """A brace would end or begin the tag; of two equal ones a range of slots would lie idle."""
    assert len(set(TAGS)) == 64
    assert not set(b"{}") & set(TAGS)
    assert sorted(slot(tag) // 256 for tag in TAGS) == list(range(64))


def test_tags_are_part_of_what_is_stored() -> None:
    """Another tag is another key: these never change."""
    assert TAGS.hex() == (
        "040c151daba3bab2c9c1d8d0666e777f88809991272f363e454d545ceae2fbf3"
        "8f879e9620283139424a535bede5fcf4030b121aaca4bdb5cec6dfd761697078"
    )


@pytest.mark.parametrize("primaries", range(3, 33))
def test_every_primary_has_its_share(primaries: int) -> None:
    """Of equal ranges of slots none is without a tag, and none has over two more than its share."""
    shares = Counter(slot(tag) * primaries // SLOTS for tag in TAGS)
    assert len(shares) == primaries
    assert max(shares.values()) <= 64 / primaries + 2
    assert primaries != 6 or max(shares.values()) / 64 < 0.175


def test_addresses_are_the_nodes_own_or_those_of_the_asked() -> None:
    """A node without a name, or with an unknown one, is at the host that was asked."""
    assert [address(host, 1, HERE) for host in (b"h", "h", b"", None, b"?", "::1")] == [
        Node(host, 1) for host in ("h", "h", "10.0.0.1", "10.0.0.1", "10.0.0.1", "::1")
    ]


def test_the_reply_to_cluster_slots() -> None:
    """Ranges have a primary, then replicas; slots in no range have nobody."""
    shards = [[0, 1, [b"a", 1, b"id"], [b"b", 2, b"id"]], [5, 5, [b"c", 3, b"id", []]], [7, 7, [b"a", 1, b"id"]]]
    a, b, c = Node("a", 1), Node("b", 2), Node("c", 3)
    assert holders(shards, HERE)[:9] == [a, a, None, None, None, c, None, a, None]
    assert members(shards, HERE) == [a, c, b]


def test_the_documentation_says_how_the_tags_spread() -> None:
    """The table of docs/store-cluster.md is what the tags are."""
    text = (Path(__file__).parents[2] / "docs" / "store-cluster.md").read_text(encoding="utf-8")
    rows = [[cell.strip() for cell in line.split("|")[2:-1]] for line in text.splitlines() if line.startswith("| ")]
    primaries, fullest, share, emptiest = next(rows[at : at + 4] for at in range(len(rows)) if rows[at][0] == "3")
    spread = [Counter(slot(tag) * int(number) // SLOTS for tag in TAGS).values() for number in primaries]
    assert fullest == [str(max(counts)) for counts in spread]
    assert emptiest == [str(min(counts)) for counts in spread]
    assert share == [f"{int(100 * max(counts) / 64 + 0.5)} %" for counts in spread]
