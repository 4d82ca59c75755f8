"""The model can fail: each part of the protocol is broken once, and the state machine finds it."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import pytest

import processor.plan
from processor.decide import Candidate, Candidates, ContactDay, winners
from processor.ports import Claimed
from processor.records import Batch, Output, Record
from processor.traits import Clock, Property
from tests.fakes import FakeClaims, FakeSink, FakeSource
from tests.model.exploration import explore
from tests.model.fleet import Parts
from tests.model.machine import Workers

_MOST_RUNS = 40  # of some 2,000 steps; the hardest takes two

Owners: TypeAlias = Mapping[ContactDay, bytes]
Clocks: TypeAlias = Mapping[Property, Clock]


class IgnoresItsOwn(FakeClaims):
    """A claim that it made itself is another's."""

    def claim(self, owners: Owners, clocks: Clocks) -> Claimed:
        holders, clocks_before = super().claim(owners, clocks)
        return Claimed([holder and b"another" for holder in holders], clocks_before)


class IgnoresSiblings(FakeClaims):
    """Only the first of a collapsed group can be the owner."""

    def claim(self, owners: Owners, clocks: Clocks) -> Claimed:
        holders, clocks_before = super().claim(owners, clocks)
        own = zip(holders, owners.values(), strict=True)
        return Claimed([holder if holder in {None, owner} else b"another" for holder, owner in own], clocks_before)


class ClaimsAfterwards(FakeClaims):
    """Claims are looked at, and made when the next batch asks."""

    _last: tuple[Owners, Clocks] = ({}, {})

    def claim(self, owners: Owners, clocks: Clocks) -> Claimed:
        self._turns.next("claim")
        self.redis.ask(*self._last)
        self._last = (owners, clocks)
        return Claimed([self.redis.held.get(day) for day in owners], [self.redis.clocks.get(of) for of in clocks])


class SetsClocksBack(FakeClaims):
    """Clocks are set without a comparison."""

    def claim(self, owners: Owners, clocks: Clocks) -> Claimed:
        claimed = super().claim(owners, clocks)
        self.redis.clocks |= clocks
        return claimed


class NewestIsWhatComesLast(FakeClaims):
    """What was before a batch counts for nothing."""

    def claim(self, owners: Owners, clocks: Clocks) -> Claimed:
        return Claimed(super().claim(owners, clocks).holders, [None] * len(clocks))


class NeverGoesBack(FakeSource):
    def rewind(self, batch: Batch) -> None:
        self._met("rewind")


class KeepsWhatWasRevoked(FakeSource):
    """A batch holds what was read, whoever has its partitions by now."""

    def _ours(self, records: list[Record]) -> list[Record]:
        return records


class KeepsItsLane(FakeSource):
    """What was revoked is read on in the lane of a backfill."""

    def _leave(self, partitions: set[int]) -> None:
        lane = self._of_both_lanes(partitions) - partitions
        kept = {number: position for number, position in self._position.items() if number in lane}
        super()._leave(partitions)
        self._position |= kept
        self._revoked -= kept.keys()


class AsksNobodyWhetherItIsAMember(FakeSource):
    def _batch(self, records: list[Record]) -> Batch | None:
        return Batch(records, self.membership, b"fake", self._assignments)


class KnowsItsMembershipAtTheCommit(FakeSource):
    def _batch(self, records: list[Record]) -> Batch | None:
        batch = super()._batch(records)
        return batch and Batch(records, self, b"fake", self._assignments)


class NoticesNoChangeOfItsPartitions(FakeSource):
    def _batch(self, records: list[Record]) -> Batch | None:
        self._assignments = 0
        return super()._batch(records)


class CommitsAsOfNow(FakeSink):
    """With the membership that its consumer has now."""

    def _send_offsets(self, batch: Batch, epoch: int, send: Callable[..., None]) -> None:
        now = Batch(batch.records, batch.membership.membership, b"fake")
        super()._send_offsets(now, epoch, send)


class CommitsOffsetsFirst(FakeSink):
    """Offsets are committed by themselves, then the results."""

    def commit(self, outputs: Sequence[Output], batch: Batch) -> None:
        super().commit([], batch)
        super().commit(outputs, batch)


class CommitsOffsetsAfterwards(FakeSink):
    """Results are committed by themselves, then the offsets."""

    def commit(self, outputs: Sequence[Output], batch: Batch) -> None:
        super().commit(outputs, Batch([], batch.membership, b"fake"))
        super().commit([], batch)


class KeepsItsEpoch(FakeSink):
    """A request that may still arrive makes no difference to the next transaction."""

    def _doubt(self) -> None:
        pass


class EverySibling(dict[ContactDay, Candidate]):
    """Of several events of one contact-day in a batch each is emitted."""

    def __init__(
        self, candidates: Candidates, holders: Sequence[bytes | None], owner_of: Callable[[Record], bytes]
    ) -> None:
        super().__init__(winners(candidates, holders, owner_of))
        self._pairs = [(day, sibling) for day in self for sibling in candidates[day]]

    def items(self) -> Any:
        return self._pairs


MUTANTS = {
    "own claims are taken for another's": Parts(claims=IgnoresItsOwn),
    "siblings are ignored": Parts(claims=IgnoresSiblings),
    "claimed after the commit": Parts(claims=ClaimsAfterwards),
    "clocks are set without a comparison": Parts(claims=SetsClocksBack),
    "stale is judged by arrival": Parts(claims=NewestIsWhatComesLast),
    "no rewind": Parts(source=NeverGoesBack),
    "no filter by assignment": Parts(source=KeepsWhatWasRevoked),
    "a lane of its own": Parts(source=KeepsItsLane),
    "blank membership": Parts(source=AsksNobodyWhetherItIsAMember),
    "membership at the commit": Parts(source=KnowsItsMembershipAtTheCommit, sink=CommitsAsOfNow),
    "remembered beyond the assignment": Parts(source=NoticesNoChangeOfItsPartitions),
    "offsets before results": Parts(sink=CommitsOffsetsFirst),
    "results before offsets": Parts(sink=CommitsOffsetsAfterwards),
    "no new epoch after a repeated request": Parts(sink=KeepsItsEpoch),
}


@pytest.mark.parametrize("broken", [pytest.param(parts, id=flaw) for flaw, parts in MUTANTS.items()])
def test_a_broken_protocol_is_found(broken: Parts) -> None:
    """Each flaw breaks a promise within a fixed number of runs, always the same ones."""
    _find(broken)


def test_no_collapse_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of several events of one contact-day in a batch each would be emitted."""
    monkeypatch.setattr(processor.plan, "winners", EverySibling)
    _find(Parts())


def _find(broken: Parts) -> None:
    class Broken(Workers):
        parts = broken

    with pytest.raises(AssertionError) as found:
        explore(Broken, range(_MOST_RUNS), shrinks=False)
    assert found.value.__cause__ is None, "a worker failed, rather than a promise"
