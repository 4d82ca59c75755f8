"""Two lanes, one series of partitions."""

import pytest

from schemas import lanes


@pytest.mark.parametrize("partition", [0, 11, lanes.BACKFILL, lanes.BACKFILL + 3])
def test_a_place_that_is_shown_can_be_read_again(partition: int) -> None:
    assert lanes.parsed(lanes.place(partition, 17)) == (partition, 17)
    assert lanes.place(lanes.BACKFILL + 3, 17) == "backfill/3:17"


@pytest.mark.parametrize("text", ["", "3", "x:1", "3:x", "backfill/:1"])
def test_what_is_no_place_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="invalid literal"):
        lanes.parsed(text)
