"""The mixed load is what it says of itself, and the same for everybody who takes it."""

from collections import Counter
from itertools import islice

import pytest

from schemas import segment
from schemas.rejections import Rejection
from tests.bench.mixed import FIRST_DAY_NUMBER, Mix, calls

_EVENTS = 2000
_LATER_MS = 2_000_000_000_000
_MIXES = (Mix(_EVENTS), Mix(_EVENTS, computed=True), Mix(_EVENTS, computed=True, unlisted=1, context=True))


@pytest.mark.parametrize("mix", _MIXES)
def test_what_is_broken_is_refused_and_all_else_is_of_its_contact(mix: Mix) -> None:
    days: Counter[tuple[str, int]] = Counter()
    refused = 0
    for event in calls(mix):
        found = segment.read(event.body, _LATER_MS)
        assert isinstance(found, Rejection) == event.broken, event
        if isinstance(found, Rejection):
            refused += 1
        else:
            assert (found.email, len(found.changes)) == (event.contact, mix.computed)
            days[found.email, found.timestamp_ms // 86_400_000 - FIRST_DAY_NUMBER] += 1
    assert (sum(days.values()), refused) == (_EVENTS * 0.98, _EVENTS * 0.02)
    assert len(days) == mix.contacts * mix.days == _EVENTS * 0.3
    assert {day for _, day in days} == set(range(mix.days))


def test_a_seed_draws_the_same_again_and_another_seed_does_not() -> None:
    def first(seed: int) -> list[bytes]:
        return [event.body for event in islice(calls(Mix(_EVENTS, seed=seed)), 50)]

    assert first(1) == first(1) != first(2)
