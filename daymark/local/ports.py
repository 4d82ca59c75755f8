"""Chooses free TCP ports on the loopback address."""

import errno
import random
import socket
from collections import deque

LOOPBACK = "127.0.0.1"
_RANGE = range(20_000, 32_000)  # below the ports that systems give to outgoing connections (Linux: from 32768)
_TRIES = 1000

# What this process chose: free until its user listens, and not to be chosen a second time meanwhile.
_lately: deque[int] = deque(maxlen=200)


def choose(preferred: int | None = None) -> int:
    """Return the preferred port if it is free, else any free one.

    Nothing holds it: what is to listen there must start soon.
    """
    if preferred is not None and is_free(preferred):
        return preferred
    for port in random.SystemRandom().sample(_RANGE, _TRIES):
        if port not in _lately and is_free(port):
            _lately.append(port)
            return port
    raise OSError(errno.EADDRINUSE, f"no free port between {_RANGE.start} and {_RANGE.stop}")


def is_free(port: int) -> bool:
    """Whether a server could listen on the port: nobody answers, and it can be bound."""
    with socket.socket() as probe:
        if probe.connect_ex((LOOPBACK, port)) == 0:
            return False  # on some systems a bind succeeds beside a listener on all addresses
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections still closing are no obstacle
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True
