"""What goes wrong and when: the schedule of faults that a seed draws.

Nothing is aimed, but for some that wait until partitions begin to move: a fault has an instant and a victim, and hits
whatever is under way. A schedule is a list of values, so that a failing one can be shortened and told.
"""

from random import Random
from typing import Final, NamedTuple

KINDS: Final = {
    "kill": 6,
    "kill-sending": 6,  # at the next request that it sends
    "freeze": 3,
    "replace": 2,  # frozen, and another process of its slot started meanwhile
    "stop": 3,
    "late": 20,  # the connection of the next request breaks; the request arrives later
    "reset": 3,
    "cut": 3,
    "slow": 2,
    "move": 3,
    "node": 2,
    "store-away": 4,
    "store-full": 1,
    "store-read-only": 1,
    "store-loses": 0,  # only in worlds whose store may
    "clock": 1,
    "scale": 10,
}
# Drawn apart, in half of the worlds: the others' schedules are what they were before there were these.
APART: Final = {
    "answer": 4,  # to one of the next requests comes late, on a connection that stays whole
    "disk": 2,  # a broker's disk is full: it refuses what it cannot write, then ends itself
    "blind": 2,  # a broker sees no other, and answers clients from what it knew
    "grow": 1,  # the topics of raw events get another partition
}
PHASE_S, BUSY_S = 30.0, 5.0  # how often events come in a burst, and for how long
MOVING_S: Final = 0.6  # for which events come in a burst, and faults, too, once partitions begin to move
_LASTS_S: Final = ((0.01, 0.5), (0.5, 5.0), (6.0, 15.0), (6.0, 15.0))  # some longer than a session
_LATE_S: Final = ((0.0, 0.1), (0.05, 1.0), (0.0, 8.0))
_EVERY_S: Final = (1.0, 2.0, 4.0)  # between faults, on average
_OFTEN: Final = (1, 1, 4)  # how much more often a kind comes in one world than in another
_ROLES: Final = ("producer", "producer", "consumer", "store")
_ASKING_S: Final = ((0.05, 1.0), (1.0, 8.0), (6.0, 15.0))  # by which an answer is late
_APART_EVERY_S: Final = 4.0


class Fault(NamedTuple):
    """One fault. `for_s`: how long it lasts, or how late a request is. `which` and `role` choose its victim."""

    at_s: float
    kind: str
    which: int
    for_s: float
    role: str

    def __str__(self) -> str:
        about = f" ({self.role})" if self.kind in {"late", "answer", "reset", "cut"} else ""
        return f"{self.kind}{about}, number {self.which}, {self.for_s:.3f} s"


def draw(seed: int, until_s: float, *, lossy: bool) -> list[Fault]:
    """Draw a schedule.

    Some kinds are left out of each world, so that others meet undisturbed, and some come more often; some worlds have
    twice as many faults as others.
    """
    random = Random(f"faults {seed}")
    weights = {**KINDS, "store-loses": 2 if lossy else 0}
    left = {kind: weight for kind, weight in weights.items() if weight and random.random() < 0.6} or weights
    left = {kind: weight * random.choice(_OFTEN) for kind, weight in left.items()}
    every_s = random.choice(_EVERY_S)
    at_s, faults = random.uniform(1, 5), []
    while (at_s := at_s + random.expovariate(1 / every_s)) < until_s:
        kind = random.choices([*left], [*left.values()])[0]
        low_s, high_s = random.choice(_LATE_S if kind == "late" else _LASTS_S)
        # Half of them while events come in a burst: else most would meet workers with nothing to do.
        due_s = at_s if random.random() < 0.5 else at_s - at_s % PHASE_S + random.uniform(0, BUSY_S)
        for_s, which = random.uniform(low_s, high_s), random.randrange(1 << 16)
        faults.append(Fault(round(due_s, 4), kind, which, round(for_s, 4), random.choice(_ROLES)))
    return sorted(faults)


def draw_apart(seed: int, until_s: float) -> list[Fault]:
    """Draw a second schedule, of the kinds that came later; none in half of the worlds."""
    random = Random(f"apart {seed}")
    kinds = [kind for kind in APART if random.random() < 0.7]
    if random.random() < 0.5 or not kinds:
        return []
    at_s, faults = random.uniform(1, 5), []
    while (at_s := at_s + random.expovariate(1 / _APART_EVERY_S)) < until_s:
        kind = random.choices(kinds, [APART[kind] for kind in kinds])[0]
        low_s, high_s = random.choice(_ASKING_S if kind == "answer" else _LASTS_S)
        due_s = at_s if random.random() < 0.5 else at_s - at_s % PHASE_S + random.uniform(0, BUSY_S)
        for_s, which = random.uniform(low_s, high_s), random.randrange(1 << 16)
        faults.append(Fault(round(due_s, 4), kind, which, round(for_s, 4), random.choice(("consumer", *_ROLES))))
    return sorted(faults)
