"""The same servers as in tests/ingest."""

from tests.ingest.conftest import _goes_on, _servers, server

__all__ = ["_goes_on", "_servers", "server"]
