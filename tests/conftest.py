"""Fixtures that all tests share: real Kafka and Valkey, topics of one's own, clusters that may be killed."""

import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import uuid
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

from daymark.local import tools
from daymark.local.kafka import Kafka
from daymark.local.kit import Kit
from daymark.local.preparation import prepare
from daymark.local.valkey import Valkey
from schemas.topics import Topics
from tests import discretion, parts, strategies  # noqa: F401  strategies says how often hypothesis draws
from tests.flows import wait_until
from tests.made import make

PARTS = pytest.StashKey[parts.Parts]()


def pytest_configure(config: pytest.Config) -> None:
    """Find the parts of this run; xdist's workers get them from their controller."""
    worker: dict[str, Any] | None = getattr(config, "workerinput", None)
    if worker is None:
        # A shell without job control lets what it runs in the background ignore SIGINT, and so would all that we start.
        if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        config.stash[PARTS] = parts.choose(os.environ, Path(tempfile.mkdtemp(prefix="daymark-tests-")))
    else:
        kind, folder, watched_pid, given = worker["daymark_parts"]
        given = parts.Addresses(*given) if given else None
        config.stash[PARTS] = parts.Parts(kind, Path(folder), watched_pid, given)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Run two tests a core by `-n auto`: those on real parts wait for three quarters of their time."""
    return 2 * (os.cpu_count() or 1)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell an xdist worker, in values that xdist can send."""
    kind, folder, watched_pid, given = node.config.stash[PARTS]
    node.workerinput["daymark_parts"] = (kind, str(folder), watched_pid, tuple(given) if given else None)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Fail a test in which this process, or a child that shares its output, logged an e-mail or a secret."""
    report = yield
    found = [line for _, text in report.sections for line in discretion.leaks(text)]
    if found and report.when == "teardown":  # whose sections are those of the whole test
        report.outcome, report.longrepr = "failed", "logged, and must not be:\n" + "\n".join(found)
    return report


def pytest_report_header(config: pytest.Config) -> str:
    """Say which parts this run gets."""
    return parts.describe(config.stash[PARTS])


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop the shared parts at the end of the run, also after Ctrl-C."""
    if PARTS in config.stash and not hasattr(config, "workerinput"):
        parts.stop(config.stash[PARTS])
        shutil.rmtree(config.stash[PARTS].folder, ignore_errors=True)


@pytest.fixture(scope="session")
def kafka(pytestconfig: pytest.Config) -> str:
    """Bootstrap servers of the Kafka that all tests share: leave nothing behind, kill nothing."""
    return parts.addresses(pytestconfig.stash[PARTS]).kafka


@pytest.fixture(scope="session")
def redis_url(pytestconfig: pytest.Config) -> str:
    """URL of the Valkey that all tests share: use a claim key of your own, kill nothing, flush nothing."""
    return parts.addresses(pytestconfig.stash[PARTS]).redis


@pytest.fixture
def claim_key() -> bytes:
    """Return a secret of the test's own, so that its keys in the shared Valkey meet no other test's."""
    return secrets.token_bytes(32)


@pytest.fixture
def topics(kafka: str) -> Iterator[Topics]:
    """Topics of the test's own, made; they and the groups named with their prefix are removed afterwards."""
    mine = Topics(f"t{uuid.uuid4().hex[:12]}.")
    make(kafka, mine.all())
    yield mine
    admin = AdminClient({"bootstrap.servers": kafka})
    made = [name for name in admin.list_topics(timeout=30).topics if name.startswith(mine.prefix)]
    for future in admin.delete_topics(made).values() if made else ():
        _done_unless(future.result, KafkaError.UNKNOWN_TOPIC_OR_PART)
    groups = [g.group_id for g in admin.list_consumer_groups().result(60).valid if g.group_id.startswith(mine.prefix)]
    for future in admin.delete_consumer_groups(groups).values() if groups else ():
        # A member that was killed is in its group until its session ends.
        _done_unless(future.result, KafkaError.NON_EMPTY_GROUP, KafkaError.GROUP_ID_NOT_FOUND)


def _done_unless(result: Callable[[float], object], *allowed: int) -> None:
    try:
        result(60)
    except KafkaException as error:
        if error.args[0].code() not in allowed:
            raise


@pytest.fixture(scope="session")
def kit() -> Kit:
    """Java and Kafka's jars."""
    return prepare(Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache"))


@pytest.fixture
def kafka_tool(kit: Kit, kafka: str) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run one of Kafka's own tools on the shared Kafka: `kafka_tool("kafka-topics", "--list")`."""

    def run(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        return tools.run(kit, name, "--bootstrap-server", kafka, *arguments)

    return run


@pytest.fixture
def kafka_cluster(kit: Kit, tmp_path: Path) -> Iterator[Callable[..., Kafka]]:
    """Start a cluster of one's own, which may be killed: `kafka_cluster(nodes=3)`."""
    with ExitStack() as stack:

        def start(**options: Any) -> Kafka:
            folder = Path(tempfile.mkdtemp(prefix="kafka-", dir=tmp_path))
            cluster = Kafka(kit, folder, **options)
            stack.callback(shutil.rmtree, folder, ignore_errors=True)
            stack.callback(cluster.discard)
            cluster.start()
            _wait_for_nodes(cluster.bootstrap)
            return cluster

        yield start


def _wait_for_nodes(bootstrap: str) -> None:
    """Wait until every node is there: one that is slow on a busy machine is left out, and copies on it are refused."""
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
    nodes = bootstrap.count(",") + 1
    wait_until(lambda: len(admin.list_topics(timeout=60).brokers) == nodes, "all nodes are there")


@pytest.fixture
def valkey_server(tmp_path: Path) -> Iterator[Callable[..., Valkey]]:
    """Start a Valkey of one's own, which may be killed: `valkey_server(settings={"maxmemory": "2mb"})`.

    A kill loses no call that was answered: with `everysec` it may, since writes wait for an fsync that is under way.
    """
    with ExitStack() as stack:

        def start(settings: Mapping[str, str] | None = None, **options: Any) -> Valkey:
            kept = {"appendfsync": "no"} | dict(settings or {})
            server = Valkey(Path(tempfile.mkdtemp(prefix="valkey-", dir=tmp_path)), settings=kept, **options)
            stack.callback(server.kill)
            server.start()
            return server

        yield start
