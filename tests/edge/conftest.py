"""The same servers as in tests/ingest."""

from tests.ingest.conftest import _goes_on, own_server, server, servers

__all__ = ["_goes_on", "own_server", "server", "servers"]
