"""How each call of a fake goes: as planned, or as a state machine has it."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple, Protocol

Effect = Literal["none", "half", "all", "late"]


class Answer(NamedTuple):
    """How a call goes: well, or with a fault, after none, half or all of its effect, or with the effect yet to come."""

    fault: Exception | None = None
    effect: Effect = "none"
    cut: Sequence[int] | None = None  # of a batch, record by record: which of the partitions it is of; None: all
    deaf: bool = False  # of a poll: what the group has to say is not heard yet
    again: bool = False  # the first answer was lost, and the driver asked again; Kafka may get the first one later
    renews: bool = False  # of a transaction's begin: the producer had lost a broker, and is made anew


class Turns(Protocol):
    """Says how each call goes."""

    def next(self, call: str) -> Answer:
        """Return how a call goes that is about to be made."""


class Faults:
    """What is to go wrong: a fault for the n-th call of a port, before or after it took effect."""

    def __init__(self) -> None:
        self._plans: dict[str, list[Answer]] = defaultdict(list)
        self._calls: list[str] = []

    def plan(self, call: str, fault: Exception, *, after_effect: bool = False, skip: int = 0) -> None:
        self._plans[call] += [Answer()] * skip + [Answer(fault, "all" if after_effect else "none")]

    def next(self, call: str) -> Answer:
        self._calls.append(call)
        plans = self._plans[call]
        return plans.pop(0) if plans else Answer()

    def called(self, *names: str) -> list[str]:
        return [call for call in self._calls if call in names]


def take_effect(
    answer: Answer,
    effect: Callable[[], object],
    half: Callable[[], object] | None,
    on_their_way: list[Callable[[], object]],
) -> None:
    """Let a call have none, half or all of its effect, or have it later."""
    if answer.fault is None or answer.effect == "all":
        effect()
    elif answer.effect == "half" and half:
        half()
    elif answer.effect == "late":
        on_their_way.append(effect)


def raise_fault(answer: Answer) -> None:
    """Let a call fail, if it is to."""
    if answer.fault:
        raise answer.fault
