"""One run of a backfill: batch after batch is intended, sent and noted (`state` says why in this order)."""

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from daymark.backfilling.batches import Batch
from daymark.backfilling.judging import Event
from daymark.backfilling.sending import NotSent, Sender
from daymark.backfilling.state import State
from daymark.simulation.tally import Pace

_PATIENCE_S: Final = 120.0  # how long brokers may be unavailable
_AGAIN_S: Final = 1.0


def settle(state: State, sender: Sender) -> None:
    """Find out whether the batch under way when the last run ended is committed.

    Raises:
        NotSent: Kafka does not answer, or refuses us.
        StateFault: the state is older than what was sent.
    """
    until_s = time.monotonic() + _PATIENCE_S
    while True:
        try:
            state.settle(sender.begin())
        except NotSent as error:  # such as a moving coordinator
            if error.is_final or time.monotonic() > until_s:
                raise
            time.sleep(_AGAIN_S)
        else:
            return


def send(
    batches: Iterable[Batch],
    state: State,
    sender: Sender,
    rate: float | None = None,
    done: Callable[[Batch], None] = lambda _: None,
) -> None:
    """Send batches and keep the state.

    Args:
        batches: of what is left.
        state: settled.
        sender: of this state.
        rate: events per second; None: unlimited.
        done: called with each batch once it is committed.

    Raises:
        NotSent: a batch was not committed, or the outcome is unknown; the next run continues with it.
    """
    pace = Pace(rate, time.monotonic())
    for batch in batches:
        counts = batch.added_to(state.counts)
        if batch.events:
            time.sleep(pace.delay(len(batch.events), time.monotonic()))  # no transaction is open meanwhile
            number = state.intend(counts, batch.places)
            _deliver(sender, batch.events, number)
            state.settle(number)
        else:
            state.advance(counts, batch.places)
        done(batch)


def _deliver(sender: Sender, events: Sequence[Event], number: int) -> None:
    """Send a batch, and again if it was not committed."""
    until_s, is_doubtful = time.monotonic() + _PATIENCE_S, False
    while True:
        try:
            if is_doubtful and sender.begin() == number:
                return
            sender.send(events, number)
        except NotSent as error:
            if error.is_final or time.monotonic() > until_s:
                raise
            is_doubtful = True
            time.sleep(_AGAIN_S)
        else:
            return
