"""A Valkey that may be killed."""

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest
import redis

from daymark.local.faults import LocalFault
from daymark.local.valkey import Valkey

Start = Callable[..., Valkey]


def test_it_never_evicts_and_keeps_a_log(tmp_path: Path) -> None:
    """Its settings are those that claims need."""
    with ExitStack() as stack:
        server = Valkey(tmp_path)
        stack.callback(server.kill)
        server.start()
        client = stack.enter_context(redis.Redis.from_url(server.url, decode_responses=True))
        assert client.config_get("maxmemory-policy", "appendonly", "appendfsync") == {
            "maxmemory-policy": "noeviction",
            "appendonly": "yes",
            "appendfsync": "everysec",
        }


def test_data_outlives_a_kill(valkey_server: Start) -> None:
    """What is in the file is there after SIGKILL and a start; the address stays."""
    server = valkey_server()
    with redis.Redis.from_url(server.url) as client:
        client.set("k", "v")
    server.kill()
    assert server.dead
    server.start()
    with redis.Redis.from_url(server.url) as client:
        assert client.get("k") == b"v"


def test_wiped_data_is_gone(valkey_server: Start) -> None:
    """A test can make it lose everything."""
    server = valkey_server()
    with redis.Redis.from_url(server.url) as client:
        client.set("k", "v")
    server.stop()
    server.wipe()
    server.start()
    with redis.Redis.from_url(server.url) as client:
        assert client.get("k") is None


def test_a_server_that_cannot_start_says_where_to_look(valkey_server: Start) -> None:
    """A start that fails is one clear error that names the log."""
    with pytest.raises(LocalFault, match=r"valkey\.log"):
        valkey_server(settings={"no-such-setting": "1"})
