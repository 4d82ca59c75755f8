"""The plan of faults: repeatable, complete, over in time."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from tests.faults.frames import TRANSACTION
from tests.faults.schedule import DIRECTIONS, NETWORK, NODES, STEPS, STORE, Fault, Kind, Scope, drill, plan, storm
from tests.faults.traps import Act

SCOPE = Scope(links=4)
# Each only where it is asked for.
_ASKED_FOR = {Kind.STORE_EMPTY, Kind.FLOW, Kind.CLOCK, Kind.DISK, Kind.UPGRADE, Kind.FEATURES}
SEEDS = st.integers(0, 2**32)


@given(SEEDS)
def test_the_same_seed_gives_the_same_faults(seed: int) -> None:
    """A run that found something can be made again."""
    assert plan(seed, 120, SCOPE) == plan(seed, 120, SCOPE)
    assert plan(seed, 120, SCOPE) != plan(seed + 1, 120, SCOPE)


@given(SEEDS)
def test_one_run_of_make_faults_has_every_kind(seed: int) -> None:
    """In 300 s each kind of fault comes, each step is aimed at and each road is hurt in each way."""
    faults = plan(seed, 300, SCOPE)
    assert {fault.kind for fault in faults} == set(Kind) - _ASKED_FOR
    assert {fault.step for fault in faults if fault.kind is Kind.AIMED_KILL} == set(STEPS)
    assert {(f.kind, f.target) for f in faults if f.kind in NETWORK} == {(k, n) for k in NETWORK for n in range(4)}
    caught = {(fault.step, fault.act) for fault in faults if fault.kind is Kind.REQUEST}
    assert {api for api, _ in caught} == {api.name for api in TRANSACTION}
    assert {act for _, act in caught} == set(Act)
    assert Kind.STORE_EMPTY in {fault.kind for fault in plan(seed, 20, SCOPE._replace(empties=True))}
    assert Kind.FLOW in {fault.kind for fault in plan(seed, 60, SCOPE._replace(flows=True))}
    assert Kind.DISK in {fault.kind for fault in plan(seed, 300, SCOPE._replace(disks=True))}
    clocks = [fault.late_s for fault in plan(seed, 300, SCOPE._replace(clocks=True)) if fault.kind is Kind.CLOCK]
    assert min(clocks) < -59
    assert max(clocks) > 59


@given(SEEDS, st.floats(0, 200), st.booleans())
def test_every_fault_is_over_before_the_end(seed: int, seconds: float, empties: bool) -> None:  # noqa: FBT001
    """In the order of time, none begins before the start, and each is undone before the end."""
    faults = plan(seed, seconds, SCOPE._replace(empties=empties))
    assert faults == sorted(faults, key=lambda fault: fault.at_s)
    assert all(0 <= fault.at_s <= fault.over_s <= seconds for fault in faults)


@given(SEEDS)
def test_one_part_of_the_world_is_hurt_at_a_time(seed: int) -> None:
    """A node, the store or a road: the next is hurt when the last is whole again, and nodes get time to catch up."""
    world = [f for f in plan(seed, 150, SCOPE) if f.kind in {*NODES, *STORE, *NETWORK}]
    for before, after in pairwise(world):
        assert after.at_s >= before.over_s + (6 if before.kind in NODES else 1)


@given(SEEDS)
def test_what_was_given_is_not_hurt(seed: int) -> None:
    """On somebody else's Kafka and store only workers, ingest and the road to the store are."""
    faults = plan(seed, 200, Scope(nodes=0, links=1, own_store=False))
    assert not {fault.kind for fault in faults} & {*NODES, *STORE, Kind.STORE_EMPTY}
    assert {fault.target for fault in faults if fault.kind in NETWORK} == {0}


def test_stops_outlast_the_session() -> None:
    """Most workers that are stopped wake up as zombies."""
    faults = [f for f in plan(1, 2000, SCOPE) if f.kind in {Kind.STOP, Kind.AIMED_STOP}]
    assert sum(_is_past(fault, SCOPE) for fault in faults) > len(faults) / 2


def _is_past(fault: Fault, scope: Scope) -> bool:
    return fault.lasts_s > scope.session_s


def test_a_storm_kills_each_worker_in_its_turn() -> None:
    """One at a time, so that each lives as long as the others."""
    faults = storm(600, 1.0, 6)
    assert [fault.at_s for fault in faults] == list(range(600))
    assert {fault.kind for fault in faults} == {Kind.KILL}
    assert [fault.target for fault in faults[:7]] == [0, 1, 2, 3, 4, 5, 0]
    assert [fault.at_s for fault in storm(30, 10.0, 2)] == [0, 10, 20]


def test_a_drill_has_only_its_kinds() -> None:
    """In turn, on targets in turn; what is alone in the world does not overlap."""
    kinds = [Kind.ONE_WAY, Kind.LEADERS, Kind.CLOCK]
    faults = drill(1, 300, SCOPE, kinds, STEPS)
    assert [fault.kind for fault in faults[:6]] == kinds * 2
    assert {fault.kind for fault in faults} == set(kinds)
    assert [fault.target for fault in faults[:9]] == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert {fault.act for fault in faults if fault.kind is Kind.ONE_WAY} == set(DIRECTIONS)
    held = [fault for fault in faults if fault.kind is Kind.ONE_WAY]
    assert all(after.at_s >= before.over_s for before, after in pairwise(held))


@given(SEEDS)
def test_kafka_is_upgraded_node_by_node(seed: int) -> None:
    """Each node once, then the features, while workers and ingest are killed and the world is whole."""
    faults = plan(seed, 100, SCOPE._replace(upgrade_every_s=20))
    upgraded = [fault for fault in faults if fault.kind in {Kind.UPGRADE, Kind.FEATURES}]
    assert [fault.kind for fault in upgraded] == [Kind.UPGRADE] * 3 + [Kind.FEATURES]
    assert [fault.target for fault in upgraded[:3]] == [0, 1, 2]
    assert all(after.at_s >= before.over_s + 10 for before, after in pairwise(upgraded))
    assert Kind.KILL in {fault.kind for fault in faults}
    assert not {fault.kind for fault in faults} & {*NODES, *STORE, *NETWORK}
