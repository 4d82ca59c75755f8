"""The claim-and-commit protocol holds in every state of its small model, and no remedy can be left out."""

import pytest

from tests.protocol import store
from tests.protocol.cases import FENCES, LIMIT, LOSSES, PAIR, SOUND, SPREAD, WITHOUT, Case
from tests.protocol.search import search
from tests.protocol.steps import Model, Remedies
from tests.protocol.store import Fences
from tests.protocol.world import Left


@pytest.mark.parametrize("case", [case for case in SOUND if case.quick], ids=lambda case: repr(case.left))
def test_nothing_is_lost_or_doubled_in_any_state(case: Case) -> None:
    """And from every state the workers come to an end, with everything committed."""
    found = search(Model(case.days), case.left)
    assert not found.broken, "\n".join((found.broken, *found.story))


@pytest.mark.parametrize("remedy", WITHOUT)
def test_each_remedy_is_needed(remedy: str) -> None:
    """Without it few faults break a promise; with it the same do not."""
    left = WITHOUT[remedy]
    assert search(Model(SPREAD, Remedies(**{remedy: False})), left).broken


def test_the_limit_that_the_guarantee_names() -> None:
    """The store loses a key while a worker that was presumed dead claims the day for a duplicate."""
    assert "has no interaction" in search(Model(LIMIT.days), LIMIT.left).broken


def test_every_remedy_is_tried() -> None:
    assert set(WITHOUT) == set(Remedies._fields)


def test_marks_compared_before_a_claim_do_not_outlive_a_failover() -> None:
    """A zombie's mark is older than what a replica lacks: DECISIONS.md, 61."""
    fences = Fences(marked=True, registered=True)
    assert FENCES[fences] == {"failovers"}
    assert not search(Model(PAIR, fences=fences), LOSSES["losses"]).broken
    assert "has no interaction" in search(Model(PAIR, fences=fences), LOSSES["failovers"]).broken


def test_a_worker_that_tries_again_for_ever_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """It has always something left to do: here a duplicate waits for an owner that never counts as committed."""
    monkeypatch.setattr(store, "is_settled", lambda _, asked: len(asked) > 1)
    assert "no end" in search(Model(PAIR, fences=Fences(settled=True)), Left()).broken
