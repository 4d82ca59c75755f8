"""The findings of a check-up: the state of each thing that was checked, and what to do about it."""

from collections.abc import Iterator, Sequence
from enum import StrEnum

import msgspec


class State(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARNING = "warning"  # it works, and something will be lost or slow when something else fails
    FAULT = "fault"  # it does not work, or the guarantee does not hold


class Finding(msgspec.Struct, frozen=True):
    """One thing that was looked at: what it is, how it is, and what to do."""

    about: str
    state: State
    said: str
    advice: str = ""


def ok(about: str, said: str) -> Finding:
    """Return that something is right."""
    return Finding(about, State.OK, said)


def warning(about: str, said: str, advice: str) -> Finding:
    """Return that something works, and should be otherwise."""
    return Finding(about, State.WARNING, said, advice)


def fault(about: str, said: str, advice: str) -> Finding:
    """Return that something is wrong."""
    return Finding(about, State.FAULT, said, advice)


def lines(findings: Sequence[Finding]) -> Iterator[str]:
    """Yield findings for a person, the advice under each."""
    width = max((len(finding.about) for finding in findings), default=0)
    for finding in findings:
        yield f"{finding.state:<8} {finding.about:<{width}}  {finding.said}"
        if finding.advice:
            yield f"{'':<8} {'':<{width}}  -> {finding.advice}"
