"""The message that is reported is the helpful one, and it is reported once."""

import pytest

from ingest.trouble import Trouble

REFUSED, AWAY, ALL_AWAY, UNKNOWN = "_AUTHENTICATION", "_TRANSPORT", "_ALL_BROKERS_DOWN", "_RESOLVE"


@pytest.mark.parametrize(
    ("heard", "told"),
    [
        ([], "timed out"),
        ([ALL_AWAY], ALL_AWAY),
        ([AWAY, ALL_AWAY], AWAY),
        ([ALL_AWAY, AWAY], AWAY),
        ([AWAY, UNKNOWN], UNKNOWN),
        ([REFUSED, AWAY, ALL_AWAY], REFUSED),
        ([AWAY, REFUSED, UNKNOWN], REFUSED),
        (["_SSL", REFUSED], REFUSED),
    ],
)
def test_what_helps_most_is_told(heard: list[str], told: str) -> None:
    trouble = Trouble()
    for kind in heard:
        trouble.hear(kind, kind)
    assert trouble.why("timed out") == told


def test_the_same_again_in_other_words_is_nothing_new() -> None:
    trouble = Trouble()
    trouble.hear(AWAY, "refused after 3 ms")
    trouble.hear(AWAY, "refused after 4 ms")
    assert trouble.why("timed out") == "refused after 3 ms"


def test_once_reached_it_is_forgotten() -> None:
    trouble = Trouble()
    trouble.hear(REFUSED, "no such user")
    trouble.forget()
    assert trouble.why("timed out") == "timed out"
    trouble.hear(AWAY, "refused")
    assert trouble.why("timed out") == "refused"
