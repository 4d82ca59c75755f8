"""How long a small batch waits for more records: a transaction costs as much as hundreds of records.

It waits as long as the last transaction took, within bounds: a busy cluster gets fewer and larger transactions, an idle
one commits at once.
"""

import time
from collections.abc import Callable
from typing import Final

FEW: Final = 100  # records; a batch of as many does not wait
LEAST_S: Final = 0.01
MOST_S: Final = 0.05


class Filling:
    """Measures batches from being handed out to being committed."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._handed_out_at = clock, 0.0
        self.wait_s = LEAST_S

    def handed_out(self) -> None:
        """Note that a batch is being worked on."""
        self._handed_out_at = self._clock()

    def committed(self) -> None:
        """Note that it is committed."""
        self.wait_s = min(max(self._clock() - self._handed_out_at, LEAST_S), MOST_S)
