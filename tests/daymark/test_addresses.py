"""`daymark up` is at the same ports from one start to the next."""

import json
import socket
from pathlib import Path

import pytest

from daymark.local import addresses, ports
from daymark.local.addresses import Ports


@pytest.fixture(autouse=True)
def _usual(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other ports than the usual, which this machine may use."""
    monkeypatch.setattr(addresses, "USUAL", {name: ports.choose() for name in addresses.USUAL})


def test_the_usual_port_then_the_last_ones(tmp_path: Path) -> None:
    """Taken: the last start's; that taken, too: any."""
    usual = addresses.USUAL["kafka"]
    first = Ports(tmp_path)
    assert first.choose("kafka") == usual
    with socket.create_server((ports.LOOPBACK, usual)):
        second = Ports(tmp_path)
        other = second.choose("kafka")
        assert other != usual
        second.remember()
        assert Ports(tmp_path).choose("kafka") == other
        with socket.create_server((ports.LOOPBACK, other)):
            assert Ports(tmp_path).choose("kafka") not in {usual, other}
    assert Ports(tmp_path).choose("kafka") == usual


def test_a_port_that_is_asked_for_comes_first(tmp_path: Path) -> None:
    """As DAYMARK_HTTP does; 0 asks for any."""
    wanted = ports.choose()
    assert Ports(tmp_path).choose("http", wanted) == wanted
    assert Ports(tmp_path).choose("http", 0) not in addresses.USUAL.values()


def test_workers_count_on_from_the_first() -> None:
    assert [addresses.usual(f"worker-{number}") for number in (1, 2, 64)] == [8082, 8083, 8145]


@pytest.mark.parametrize("text", ["", "[]", '{"kafka": "x"}', "\x00"])
def test_a_damaged_note_counts_as_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "ports.json").write_text(text)
    found = Ports(tmp_path)
    assert found.choose("kafka") == addresses.USUAL["kafka"]
    found.remember()
    assert json.loads((tmp_path / "ports.json").read_text()) == {"kafka": addresses.USUAL["kafka"]}
