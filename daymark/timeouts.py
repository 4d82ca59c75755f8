"""The time-outs of a worker's producer, which follow from DAYMARK_TRANSACTION_TIMEOUT_MS and keep one order.

    budget of a transaction's calls < socket.timeout.ms <= transaction.timeout.ms >= message.timeout.ms

The driver retries a request that times out, and the original may still arrive. Since the budget ends before any request
can time out, the producer has been abandoned by then, and its successor's epoch fences both requests
(docs/late-requests.md).
"""

from collections.abc import Iterator, Mapping
from typing import Final

LEAST_MS: Final = 3000  # of a transaction: leaves the budget 500 ms short of the socket's time-out
_MARGIN_MS: Final = 500
_SOCKET: Final = "socket.timeout.ms"
_MESSAGE: Final = ("message.timeout.ms", "delivery.timeout.ms")  # two names of one option


def budget_ms(transaction_ms: int) -> int:
    """Return how long the calls of one transaction may take together."""
    return transaction_ms * 2 // 3


def socket_ms(transaction_ms: int, options: Mapping[str, str]) -> int:
    """Return how long the driver waits for the answer to a request: the option passed through, or our own."""
    return int(options.get(_SOCKET, transaction_ms - _MARGIN_MS))


def faults(transaction_ms: int, options: Mapping[str, str]) -> Iterator[str]:
    """Yield a line for each time-out passed through to the driver that breaks the order above."""
    least, most = budget_ms(transaction_ms) + _MARGIN_MS, transaction_ms
    given = f"with DAYMARK_TRANSACTION_TIMEOUT_MS={transaction_ms}"
    if not least <= socket_ms(transaction_ms, options) <= most:
        yield (
            f"DAYMARK_KAFKA_SOCKET_TIMEOUT_MS: must be from {least} to {most} {given}, "
            "so that no request of a transaction is repeated during a later one"
        )
    for option in _MESSAGE:
        if int(options.get(option, 0)) > most:
            yield f"DAYMARK_KAFKA_{option.upper().replace('.', '_')}: must be at most {most} {given}"
