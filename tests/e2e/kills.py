"""Hurts, scales, stops and upgrades docker-compose.yml under load; says how long the timeline stood still; audits each.

As root on the engine's host: containers are killed by their processes.
"""

import argparse
import io
import re
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Final, NamedTuple

from rich.console import Console
from rich.table import Table

from tests.e2e.compose import IMAGE, ROOT, Compose, docker, kill, state, wait_until
from tests.e2e.traffic import Sender, Watch

WORKERS: Final = 3
PREVIOUS: Final = "daymark:previous"
FAILOVER: Final = "deploy/compose/store-failover.yaml"
STORES: Final = ("valkey", "valkey-2", "valkey-3")
_NOTICE_S, _AFTER_S, _HEALTHY_S = 2.0, 10.0, 420.0  # what was done is noticed; load after all is healthy; until then
_FROZEN_S: Final = 10.0
_BESIDE_S: Final = 15.0  # the old version and the new one side by side
_SETTLE_S: Final = 3.0  # from the last event to the audit
_AUDITS: Final = 10  # at most

console = Console()


class Act(NamedTuple):
    """Something that is done to a running project, in words and as a function."""

    what: str
    do: Callable[[], object]


def acts(compose: Compose) -> Iterator[Act]:
    """Yield what is done to the project of docker-compose.yml, which begins with the previous image and one worker."""
    yield Act("nothing", lambda: time.sleep(_AFTER_S))
    yield Act("upgraded: a worker of the new image beside an old one, then all of the new", partial(_upgrade, compose))
    yield Act("scaled from 1 worker to 3", partial(_scale, compose, WORKERS))
    for number in range(WORKERS):
        yield Act(f"worker {number + 1} of 3 killed", partial(_kill, compose, "processor", number))
    for service in ("ingest", "valkey", "kafka"):
        yield Act(f"{service} killed", partial(_kill, compose, service))
    yield Act("kafka recreated (compose up --force-recreate)", partial(_recreate, compose, "kafka"))
    yield Act("each worker restarted in turn (docker restart)", partial(_restart, compose, "processor"))
    yield Act("scaled from 3 workers to 1", partial(_scale, compose, 1))
    yield Act("all stopped and started (compose stop, up)", partial(_again, compose, "stop"))
    yield Act("all removed and made anew, with their data (compose down, up)", partial(_again, compose, "down"))


def failovers(compose: Compose) -> Iterator[Act]:
    """Yield what is done to the store of store-failover.yaml."""
    yield Act("nothing", lambda: time.sleep(_AFTER_S))
    yield Act("a replica killed", lambda: kill(_node(compose, "slave")))
    yield Act("the primary killed; the engine starts it again", lambda: kill(_node(compose, "master")))
    yield Act("the primary killed, and not started for 15 s", lambda: _down(_node(compose, "master")))
    yield Act(f"the primary frozen for {_FROZEN_S:.0f} s", lambda: _freeze(_node(compose, "master")))
    yield Act("the primary replaced (SENTINEL FAILOVER)", partial(_fail_over, compose))
    yield Act("a Sentinel killed", partial(_kill, compose, "sentinel-1"))
    yield Act("HAProxy killed", partial(_kill, compose, "store"))


def _kill(compose: Compose, service: str, number: int = 0) -> None:
    kill(compose.containers(service)[number])


def _scale(compose: Compose, workers: int) -> None:
    compose("up", "--detach", "--no-build", "--no-recreate", "--scale", f"processor={workers}")


def _recreate(compose: Compose, service: str) -> None:
    compose("up", "--detach", "--no-build", "--no-deps", "--force-recreate", service)


def _restart(compose: Compose, service: str) -> None:
    for container in compose.containers(service):
        docker("restart", "--time", "40", container)
        time.sleep(_NOTICE_S)
        wait_until(compose.is_healthy, "the restarted one is healthy", _HEALTHY_S)


def _again(compose: Compose, how: str) -> None:
    compose(how)
    if how == "stop":
        codes = {state(each)["ExitCode"] for each in compose.containers("ingest", "processor")}
        assert codes == {0}, f"within the grace period, all end with 0: {codes}"
    compose("up", "--detach", "--no-build", "--wait")


def _upgrade(compose: Compose) -> None:
    beside = compose("run", "--detach", "--no-deps", "processor", "process").strip()
    time.sleep(_BESIDE_S)
    assert state(beside)["Running"], docker("logs", beside)
    compose("up", "--detach", "--no-build")
    docker("stop", "--time", "40", beside)
    docker("rm", beside)


def _node(compose: Compose, role: str) -> str:
    for container in compose.containers(*STORES):
        if f"role:{role}" in _ask(container, "info", "replication"):
            return container
    raise AssertionError(f"no node of the store is a {role}")


def _ask(container: str, *words: str, port: int = 6379) -> str:
    login = ("--user", "check", "--pass", "check", "--no-auth-warning") if port == 6379 else ()
    tls = ("--tls", "--cacert", "/run/secrets/ca", "-p", str(port))
    return docker("exec", container, "redis-cli", *tls, *login, *words)


def _down(container: str) -> None:
    docker("kill", container)
    time.sleep(15)
    docker("start", container)


def _freeze(container: str) -> None:
    docker("pause", container)
    time.sleep(_FROZEN_S)
    docker("unpause", container)


def _fail_over(compose: Compose) -> None:
    before = _node(compose, "master")
    _ask(compose.containers("sentinel-1")[0], "sentinel", "failover", "claims", port=26379)
    wait_until(lambda: _node(compose, "master") != before, "another node is the primary")


def _audit(compose: Compose) -> str:
    """Return what the audit says: a finding ends this program, a Kafka that is not there yet is asked again."""
    words = ("exec", "-T", "processor", "daymark", "audit", "--no-replays")
    for _ in range(_AUDITS):
        try:
            return compose(*words)
        except AssertionError as error:
            if "Error: Kafka at" not in str(error):
                raise
        time.sleep(_SETTLE_S)
    return compose(*words)


def _chosen(whole: Iterator[Act], words: str) -> Iterator[Act]:
    """Yield the acts whose text has what a regular expression looks for; all with an empty one."""
    return (act for act in whole if re.search(words, act.what))


def _lacking(previous: str) -> tuple[str, ...]:
    """Return the words with which Compose leaves out what the previous image cannot run."""
    asked = ["git", "cat-file", "-e", f"{previous}:daymark/commands/timeline.py"]
    has_pages = subprocess.run(asked, cwd=ROOT, capture_output=True, check=False).returncode == 0
    return () if has_pages else ("--scale", "timeline=0")


def _build(previous: str) -> None:
    docker("build", "--tag", IMAGE, str(ROOT))
    archive = subprocess.run(["git", "archive", previous], cwd=ROOT, capture_output=True, check=True).stdout
    with tempfile.TemporaryDirectory() as folder, tarfile.open(fileobj=io.BytesIO(archive)) as files:
        files.extractall(folder, filter="data")
        docker("build", "--tag", PREVIOUS, folder)


@contextmanager
def _running(compose: Compose, image: str, words: tuple[str, ...]) -> Iterator[None]:
    try:
        compose("up", "--wait", "--no-build", "--quiet-pull", *words, image=image)
        yield
    except BaseException:
        console.print(compose("logs", "--no-color", "--tail", "50", ok=False), markup=False)
        raise
    finally:
        compose("down", "--volumes", "--timeout", "5", "--remove-orphans", ok=False)


def run(compose: Compose, image: str, whole: Iterator[Act], words: tuple[str, ...] = ()) -> Table:
    """Do each act under load; return how long each stopped a partition's interactions.

    Args:
        compose: the project.
        image: that it begins with.
        whole: the acts.
        words: for Compose, of the project's first start.
    """
    table = Table("what is done under load", "longest stand-still of a partition, s", "until all is healthy, s")
    with _running(compose, image, words):
        sender, watch = Sender(compose), Watch(compose)
        sender.start()
        watch.start()
        sender.goes.set()
        wait_until(lambda: watch.count() > 0, "interactions are seen", _HEALTHY_S)
        for act in whole:
            sender.goes.set()
            time.sleep(_AFTER_S)
            began = time.monotonic()
            act.do()
            time.sleep(_NOTICE_S)
            wait_until(compose.is_healthy, f"all is healthy after: {act.what}", _HEALTHY_S)
            healthy_s = time.monotonic() - began
            time.sleep(_AFTER_S)
            gap_s = watch.longest_gap_s(began, time.monotonic())
            sender.goes.clear()
            time.sleep(_SETTLE_S)
            _audit(compose)
            table.add_row(act.what, f"{gap_s:.1f}", f"{healthy_s:.1f}")
            console.print(f"{act.what}: {gap_s:.1f} s; {sender.sent} events so far, audit: nothing lost or doubled")
        wait_until(lambda: watch.count() >= sender.sent, "every event has its interaction")
        sender.leave()
        watch.leave()
        console.print(_audit(compose), markup=False)
        console.print(f"{sender.sent} events, {sender.repeated} requests sent again")
    return table


def main() -> None:
    """Build both images, do everything, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--previous", default="63143d8", help="the commit whose image is upgraded (63143d8)")
    parser.add_argument("--only", default="", help="do only what this regular expression finds; all of the new image")
    parser.add_argument("--store", action="store_true", help="hurt the store of store-failover.yaml instead")
    options = parser.parse_args()
    if options.store:
        subprocess.run(["sh", ROOT / "deploy" / "compose" / "secrets.sh"], check=True)
        docker("build", "--tag", IMAGE, str(ROOT))
        compose = Compose(FAILOVER)
        table = run(compose, IMAGE, _chosen(failovers(compose), options.only))
    else:
        _build(options.previous)
        compose = Compose()
        whole, words = _chosen(acts(compose), options.only), _lacking(options.previous)
        table = run(compose, IMAGE, whole) if options.only else run(compose, PREVIOUS, whole, words)
    console.print(table)


if __name__ == "__main__":
    main()
