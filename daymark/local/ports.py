"""Chooses free TCP ports on the loopback address."""

import errno
import os
import random
import socket

LOOPBACK = "127.0.0.1"
_RANGE = range(20_000, 32_000)  # below the ports that systems give to outgoing connections (Linux: from 32768)
_TRIES = 1000

# What this process chose, each held by a datagram socket, which is in no server's way: while its user does not listen,
# not yet or between a kill and a start, nobody who chooses here takes it. File descriptors, which end with the process.
_held: dict[int, int] = {}
_MOST_HELD = 200


def choose(*preferred: int | None) -> int:
    """Return the first preferred port that is free, else any free one that no living process chose before."""
    for port in preferred:
        if port and is_free(port) and (port in _held or _hold(port)):
            return port
    for port in random.SystemRandom().sample(_RANGE, _TRIES):
        if is_free(port) and _hold(port):
            return port
    raise OSError(errno.EADDRINUSE, f"no free port between {_RANGE[0]} and {_RANGE[-1]}")


def _hold(port: int) -> bool:
    """Keep others from choosing a port; False when somebody does so already."""
    holder = socket.socket(type=socket.SOCK_DGRAM)
    try:
        holder.bind((LOOPBACK, port))
    except OSError:
        holder.close()
        return False
    if len(_held) == _MOST_HELD:
        os.close(_held.pop(next(iter(_held))))
    _held[port] = holder.detach()
    return True


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
