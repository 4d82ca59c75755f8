"""`make chart-apiserver`: the chart is created on a real Kubernetes API server, in namespaces with restricted pods.

Builds kube-apiserver, with etcd in the same process, from their Go modules (`apiserver/`): once, in a folder of the
user's cache. What only a cluster has is not there: no node runs a pod. Every object is applied by the server, which
validates, defaults and stores it; a pod of each template is created dryly, which the admission of the `restricted`
standard judges. KEDA's and Prometheus's own kinds are left out: their definitions belong to their operators.
"""

import hashlib
import os
import secrets
import shutil
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import httpx

from daymark.local import ports
from tests.deploy import chart
from tests.deploy.test_chart import CUSTOM, VARIANTS

_SOURCES: Final = sorted(Path(__file__).with_name("apiserver").glob("*"))
_BUILD_S, _START_S, _STOP_S = 7200, 180.0, 30.0
_RESTRICTED: Final = {f"pod-security.kubernetes.io/{what}": "restricted" for what in ("enforce", "warn")}


def main() -> None:
    """Create every variant; exit 1 when the server refuses or warns, or takes what it must refuse."""
    program = _built()
    with _running(program) as api:
        _say(f"Kubernetes {_version()}")
        for number, values in enumerate(VARIANTS):
            name = f"daymark-{number}"
            _make(api, "/api/v1/namespaces", {"metadata": {"name": name, "labels": _RESTRICTED}})
            # In a cluster its controller manager makes it.
            _make(api, f"/api/v1/namespaces/{name}/serviceaccounts", {"metadata": {"name": "default"}})
            found = [each for each in chart.objects(*values) if each["kind"] not in CUSTOM]
            for _ in range(2):  # an install, and an upgrade that changes nothing
                for each in found:
                    _apply(api, name, each)
            pods = [template for each in found if (template := each.get("spec", {}).get("template"))]
            for pod in pods:
                _make(api, f"/api/v1/namespaces/{name}/pods", _pod(pod), dry=True)
            _say(f"{name}: {len(found)} objects, {len(pods)} pods; {', '.join(values) or 'defaults'}")
        _refuses(api, pods[0])
    _say("every object is created, every pod is restricted; a pod that runs as root is refused")


def _version() -> str:
    """Return the version that is built: a build from modules does not know it."""
    text = Path(__file__).with_name("apiserver").joinpath("go.mod").read_text()
    return text.partition("k8s.io/kubernetes ")[2].split()[0]


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")


def _pod(template: dict[str, Any]) -> dict[str, Any]:
    return {"metadata": {"name": "try", "labels": template["metadata"]["labels"]}, "spec": template["spec"]}


def _refuses(api: httpx.Client, template: dict[str, Any]) -> None:
    """Check that pods are judged at all."""
    pod = _pod({**template, "spec": {**template["spec"], "securityContext": {"runAsUser": 0}}})
    answer = api.post("/api/v1/namespaces/daymark-0/pods", params={"dryRun": "All"}, json=pod)
    assert answer.status_code == httpx.codes.FORBIDDEN, answer.text
    assert "violates PodSecurity" in answer.text, answer.text


def _make(api: httpx.Client, path: str, found: dict[str, Any], *, dry: bool = False) -> None:
    params = {"fieldValidation": "Strict"} | ({"dryRun": "All"} if dry else {})
    _check(api.post(path, params=params, json=found), found)


def _apply(api: httpx.Client, namespace: str, found: dict[str, Any]) -> None:
    """Apply an object as `kubectl apply --server-side` does."""
    group, _, version = found["apiVersion"].rpartition("/")
    root = f"/apis/{group}/{version}" if group else f"/api/{version}"
    kinds = api.get(root).json()["resources"]
    plural = next(kind["name"] for kind in kinds if kind["kind"] == found["kind"] and "/" not in kind["name"])
    _check(
        api.patch(
            f"{root}/namespaces/{namespace}/{plural}/{found['metadata']['name']}",
            params={"fieldManager": "daymark", "fieldValidation": "Strict"},
            json=found,
            headers={"content-type": "application/apply-patch+yaml"},
        ),
        found,
    )


def _check(answer: httpx.Response, found: dict[str, Any]) -> None:
    """Refuse what the server refuses, and what it warns of: deprecated versions, pods that are not restricted."""
    warnings = answer.headers.get_list("warning")
    if answer.is_error or warnings:
        sys.exit(f"{found.get('kind', 'an object')} {found['metadata']['name']}: {answer.text} {warnings}")


@contextmanager
def _running(program: Path) -> Iterator[httpx.Client]:
    """Run the server with its data in a folder of its own; whoever has the token may do anything."""
    folder, token = Path(tempfile.mkdtemp(prefix="daymark-apiserver-")), secrets.token_hex(16)
    key, tokens, log = folder / "accounts.key", folder / "tokens.csv", folder / "log"
    subprocess.run(["openssl", "genrsa", "-out", str(key), "2048"], check=True, capture_output=True)
    tokens.write_text(f"{token},test,test,system:masters\n")
    port, etcd, peer = ports.choose(), ports.choose(), ports.choose()
    command = [
        str(program),
        f"--bind-address={ports.LOOPBACK}",
        f"--secure-port={port}",
        f"--cert-dir={folder}",
        f"--etcd-servers=http://{ports.LOOPBACK}:{etcd}",
        f"--token-auth-file={tokens}",
        "--authorization-mode=RBAC",
        f"--service-account-key-file={key}",
        f"--service-account-signing-key-file={key}",
        "--service-account-issuer=https://kubernetes.default.svc",
        "--service-cluster-ip-range=10.0.0.0/24",
    ]
    environ = {
        **os.environ,
        "ETCD_DIR": str(folder),
        "ETCD_URL": f"http://{ports.LOOPBACK}:{etcd}",
        "ETCD_PEER_URL": f"http://{ports.LOOPBACK}:{peer}",
    }
    with log.open("wb") as said, subprocess.Popen(command, env=environ, stdout=said, stderr=said) as process:
        try:
            yield _client(process, folder, f"https://{ports.LOOPBACK}:{port}", token)
        finally:
            process.terminate()
            try:
                process.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
    shutil.rmtree(folder)


def _client(process: subprocess.Popen[bytes], folder: Path, url: str, token: str) -> httpx.Client:
    """Return a client once the server is ready; its certificate is its own."""
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            sys.exit(f"the API server ended:\n{(folder / 'log').read_text()[-3000:]}")
        certificate = folder / "apiserver.crt"
        if certificate.exists():
            trusted = ssl.create_default_context(cafile=str(certificate))
            api = httpx.Client(
                base_url=url, verify=trusted, headers={"authorization": f"Bearer {token}"}, trust_env=False, timeout=60
            )
            try:
                if api.get("/readyz").is_success:
                    return api
            except httpx.TransportError:
                pass
            api.close()
        time.sleep(0.2)
    sys.exit(f"the API server is not ready after {_START_S:.0f} s:\n{(folder / 'log').read_text()[-3000:]}")


def _built() -> Path:
    digest = hashlib.sha256(b"".join(file.read_bytes() for file in _SOURCES)).hexdigest()[:12]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "daymark"
    program = cache / f"kube-apiserver-{digest}"
    if not program.exists():
        go = shutil.which("go") or "/usr/local/go/bin/go"
        _say("building kube-apiserver and etcd from their Go modules (once; some minutes, 3 GB of Go's cache)")
        cache.mkdir(parents=True, exist_ok=True)
        made = program.with_suffix(f".{os.getpid()}")
        command = [go, "build", "-C", str(_SOURCES[0].parent), "-ldflags", "-s -w", "-o", str(made), "."]
        subprocess.run(command, check=True, timeout=_BUILD_S)
        made.rename(program)
    return program


if __name__ == "__main__":
    main()
