"""`daymark status`: shows the parts of a running `daymark up`, whether they are ready, and their addresses."""

import http.client
import json
import socket
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import click
from rich.table import Table

from daymark import greeting, settings, statuses
from daymark.local import processes
from daymark.output import standard_output
from daymark.running import Described

_ANSWER_S = 2.0


class Part(NamedTuple):
    """One part of a running system; `pid` is None when its process is gone."""

    name: str
    pid: int | None
    ready: bool
    address: str
    log: Path


@click.command()
@click.option("--json", "as_line", is_flag=True, help="One line of JSON: a list with an object for each `daymark up`.")
def command(*, as_line: bool) -> None:
    """Show the parts of a running `daymark up`, and how to reach them.

    Shows the one of this folder or a folder above it, else all that this user runs; DAYMARK_DATA selects one by its
    data folder. The exit status is 3 when none is running or a part of one is not ready.
    """
    found = [(up, [*parts(up)]) for up in settings.running_ups()]
    if as_line:
        click.echo(json.dumps([_object(up, of_it) for up, of_it in found]))
    else:
        for up, of_it in found:
            _show(up, of_it)
    if not found:
        raise statuses.SomethingWrong("no running `daymark up` was found from here")
    if not all(part.ready for _, of_it in found for part in of_it):
        raise statuses.SomethingWrong("not every part is ready; see its log")


def parts(up: Described) -> Iterator[Part]:
    """Yield the parts of a running `daymark up`, each asked whether it is ready."""
    folder, logs = up.folder, up.folder / "logs"
    kafka, valkey = up.at.kafka, f"{urlsplit(up.at.redis).netloc}"
    yield Part("kafka", _pid(folder / "kafka" / "node-1"), _listens(kafka), kafka, logs / "kafka-1.log")
    yield Part("valkey", _pid(folder / "valkey"), _listens(valkey), up.at.redis, logs / "valkey.log")
    for name, address, admin in _programs(up):
        yield Part(name, _pid(folder / name), _answers(admin), address, logs / f"{name}.log")


def _programs(up: Described) -> Iterator[tuple[str, str, str]]:
    yield "ingest", up.at.http, up.at.admin
    for number, url in enumerate(up.workers, start=1):
        yield f"worker-{number}", url, url
    if up.page:
        yield "timeline", up.page, up.page


def _pid(folder: Path) -> int | None:
    return processes.noted(folder / "pid")


def _listens(address: str) -> bool:
    host, _, port = address.rpartition(":")
    with suppress(OSError), socket.create_connection((host, int(port)), _ANSWER_S):
        return True
    return False


def _answers(url: str) -> bool:
    """Whether a part's `/readyz` says that it is ready."""
    target = urlsplit(url)
    with (
        suppress(OSError, http.client.HTTPException),
        closing(http.client.HTTPConnection(target.hostname or "", target.port, timeout=_ANSWER_S)) as connection,
    ):
        connection.request("GET", "/readyz")
        return connection.getresponse().status == http.client.OK
    return False


def _object(up: Described, of_it: Sequence[Part]) -> dict[str, Any]:
    """Return one system as JSON has it: its addresses, without the key, and its parts."""
    at = {name: text for name, text in up.at._asdict().items() if name != "key"}
    rows = [part._asdict() | {"log": str(part.log)} for part in of_it]
    return {"folder": str(up.folder), "pid": up.pid, **at, "parts": rows}


def _show(up: Described, of_it: Sequence[Part]) -> None:
    table = Table("Part", "State", "Process", "Address", box=None, pad_edge=False)
    for part in of_it:
        state = "ready" if part.ready else "not ready" if part.pid else "ended"
        style = "" if part.ready else "bold red"
        table.add_row(part.name, state, str(part.pid or "-"), part.address, style=style)
    console = standard_output()
    click.echo(f"daymark up, process {up.pid}; logs in {greeting.short(up.folder / 'logs')}")
    console.print(table)
