"""All connections of one port: who answers them, how many there may be, and the look at their clocks."""

import asyncio
from email.utils import formatdate

from ingest.connection import Connection
from ingest.exchange import Application


class Connections:
    """All connections of one port, and what they share.

    Args:
        app: who answers.
        most: connections at a time; further ones are refused.
    """

    def __init__(self, app: Application, most: int) -> None:
        self.app, self.most = app, most
        self.loop = asyncio.get_running_loop()
        self.open: set[Connection] = set()
        self.leaving = False  # each answer is its connection's last
        self._tell_date()

    def connect(self) -> Connection:
        """Return the protocol of a new connection."""
        return Connection(self)

    def __len__(self) -> int:
        return len(self.open)

    def tick(self) -> None:
        """Tell answers the date, and end what is late. To be called several times a second."""
        self._tell_date()
        now = self.loop.time()
        for connection in list(self.open):
            connection.look(now)

    def last_answers(self) -> None:
        """Send `Connection: close` with the answer of every request that begins from now on."""
        self.leaving = True

    def shutdown(self) -> None:
        """Let all connections go once they have their answers."""
        self.last_answers()
        for connection in list(self.open):
            connection.shutdown()

    def abort(self) -> None:
        """Cut off what is left."""
        for connection in list(self.open):
            connection.abort()

    def _tell_date(self) -> None:
        date = b"date: %s\r\n" % formatdate(usegmt=True).encode()
        self.end_of_head, self.end_of_last_head = date + b"\r\n", date + b"connection: close\r\n\r\n"
