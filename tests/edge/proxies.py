"""nginx and HAProxy as docs/proxies.md configures them, with other addresses and certificates."""

import os
import re
import shutil
import socket
import ssl
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

import pytest
import trustme

from daymark.local import ports
from tests.flows import wait_until

PAGE: Final = Path(__file__).parents[2] / "docs" / "proxies.md"
NAMES: Final = ("haproxy", "nginx")
HOST: Final = "localhost"
_PATH: Final = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"  # Debian's users lack sbin

# What nginx needs around a server: everything below one folder, and no daemon.
_NGINX: Final = """
daemon off; {user} worker_processes 1; pid {folder}/pid; error_log stderr crit;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    client_body_temp_path {folder}/1; proxy_temp_path {folder}/2; fastcgi_temp_path {folder}/3;
    uwsgi_temp_path {folder}/4; scgi_temp_path {folder}/5;
    include {folder}/sample.conf;
}}
"""

# How a sample becomes one that repeats nothing of its own accord.
_BY_ITSELF: Final = {
    "haproxy": {"    retry-on conn-failure empty-response": "    #"},
    "nginx": {"error timeout http_503 non_idempotent;": "error timeout;"},
}


class Instance(NamedTuple):
    """One ingest: the ports of its API and of its admin pages on 127.0.0.1."""

    http: int
    admin: int


class Proxy(NamedTuple):
    """A running proxy: its port on HOST, and what a client needs to trust it."""

    name: str
    port: int
    trust: ssl.SSLContext
    folder: Path

    def servers_up(self) -> int:
        """Return how many servers HAProxy holds for up; nginx does not know."""
        with socket.socket(socket.AF_UNIX) as link:
            link.connect(str(self.folder / "stats"))
            link.sendall(b"show stat\n")
            text = b"".join(iter(lambda: link.recv(65536), b"")).decode()
        return len(re.findall(r"^ingest,ingest-\d,.*,UP,", text, re.MULTILINE))


@contextmanager
def running(name: str, instances: Sequence[Instance], *, repeating: bool = True) -> Iterator[Proxy]:
    """Run the page's configuration of a proxy in front of two instances; skip the test where it is not installed.

    `repeating` is as on the page; without, the proxy does what it does by itself when a connection breaks.
    """
    program = shutil.which(name, path=_PATH)
    if program is None:
        pytest.skip(f"{name} is not installed")
    with tempfile.TemporaryDirectory(prefix=f"{name}-") as folder:
        proxy = Proxy(name, ports.choose(), _certificate(Path(folder)), Path(folder))
        prepare = _haproxy if name == "haproxy" else _nginx
        by_itself = {} if repeating else _BY_ITSELF[name]
        process = subprocess.Popen([program, *prepare(proxy, instances, by_itself)], stdout=subprocess.DEVNULL)
        try:
            wait_until(lambda: process.poll() is not None or _listens(proxy.port), f"{name} listens")
            assert process.poll() is None
            yield proxy
        finally:
            process.terminate()
            process.wait(60)


def _haproxy(proxy: Proxy, instances: Sequence[Instance], changed: Mapping[str, str]) -> list[str]:
    places = {
        f"10.0.0.1{n}:8080 port 8081": f"127.0.0.1:{at.http} port {at.admin}" for n, at in enumerate(instances, 1)
    }
    paths = {":443": f"127.0.0.1:{proxy.port}", "/etc/haproxy/daymark.pem": f"{proxy.folder}/daymark.pem"}
    (proxy.folder / "sample.cfg").write_text(_replaced(_sample("haproxy"), {**places, **paths, **changed}))
    (proxy.folder / "test.cfg").write_text(f"global\n    stats socket {proxy.folder}/stats\n")
    return ["-db", "-q", "-f", f"{proxy.folder}/test.cfg", "-f", f"{proxy.folder}/sample.cfg"]


def _nginx(proxy: Proxy, instances: Sequence[Instance], changed: Mapping[str, str]) -> list[str]:
    places = {f"10.0.0.1{number}:8080": f"127.0.0.1:{at.http}" for number, at in enumerate(instances, 1)}
    paths = {"listen 443": f"listen 127.0.0.1:{proxy.port}", "/etc/nginx/": f"{proxy.folder}/"}
    (proxy.folder / "sample.conf").write_text(_replaced(_sample("nginx"), {**places, **paths, **changed}))
    user = "user root;" if os.geteuid() == 0 else ""
    (proxy.folder / "nginx.conf").write_text(_NGINX.format(folder=proxy.folder, user=user))
    return ["-p", str(proxy.folder), "-c", f"{proxy.folder}/nginx.conf", "-e", "stderr"]


def _sample(language: str) -> str:
    (found,) = re.findall(rf"```{language}\n(.*?)```", PAGE.read_text(), re.DOTALL)
    return str(found)


def _replaced(text: str, places: Mapping[str, str]) -> str:
    for old, new in places.items():
        assert old in text, f"{old} is not in the sample"
        text = text.replace(old, new)
    return text


def _certificate(folder: Path) -> ssl.SSLContext:
    authority = trustme.CA()
    issued = authority.issue_cert(HOST)
    issued.private_key_and_cert_chain_pem.write_to_path(str(folder / "daymark.pem"))
    issued.private_key_pem.write_to_path(str(folder / "daymark.key"))
    (folder / "daymark.crt").write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
    trust = ssl.create_default_context()
    authority.configure_trust(trust)
    return trust


def _listens(port: int) -> bool:
    with socket.socket() as link:
        return link.connect_ex(("127.0.0.1", port)) == 0
