"""PART=store: the claim step of a batch, on one server and on a cluster of three primaries, 1 ms of round trip away.

Both are Valkeys of this machine behind the same delaying proxy (`delay`), asked in turn.
"""

import secrets
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from daymark.local import ports
from daymark.local.valkey import Valkey
from processor.claims import Claims, Lifetimes
from processor.decide import ContactDay
from processor.links import Links
from processor.slots import Node
from processor.traits import Clock, property_of
from tests.bench import ground
from tests.bench.figures import Row, ratios
from tests.bench.options import Options
from tests.valkey_cluster import ValkeyCluster

PART = "store"
ONE, CLUSTER = "one server", "a cluster of 3 primaries"
_ROUND_TRIP_MS = 1.0
_SIZES = {30: 200, 1000: 60, 10_000: 10}  # contact-days of a batch, and how many batches
_OWNER = b"twelve bytes"


class _Detoured(Links):
    """Links that reach each node of a cluster through a proxy."""

    detours: Mapping[int, int]

    def _made(self, node: Node) -> Any:
        return super()._made(Node(node.host, self.detours[node.port]))


def run(options: Options) -> list[Row]:
    """Measure, run by run and batch by batch in turn."""
    rows = []
    with _stores() as stores:
        for size, batches in _SIZES.items():
            runs: dict[str, list[float]] = {name: [] for name in stores}
            for number in range(options.runs):
                options.say(f"{PART}: batches of {size:,} contact-days, run {number + 1} of {options.runs}")
                for name, ms in _medians(stores, size, batches).items():
                    runs[name].append(ms)
            case = f"{size:,} contact-days, a round trip of {_ROUND_TRIP_MS:.0f} ms"
            rows += [Row(PART, name, "claim step", "ms", tuple(values), case) for name, values in runs.items()]
            rows += ratios(PART, case, runs, ONE, "beside one server")
    return rows


def _medians(stores: Mapping[str, Claims], size: int, batches: int) -> dict[str, float]:
    """Claim new contact-days on each store in turn, a property for every third; return the median time in ms."""
    taken: dict[str, list[float]] = {name: [] for name in stores}
    for _ in range(batches):
        salt = secrets.token_hex(4)
        owners = {ContactDay("w", f"{salt}-{number}@example.com", 1): _OWNER for number in range(size)}
        clocks = {property_of("w", of.email, "vip"): Clock(1, _OWNER) for of in list(owners)[::3]}
        for name, claims in stores.items():
            began = time.perf_counter()
            found = claims.claim(owners, clocks)
            taken[name].append((time.perf_counter() - began) * 1000)
            assert set(found.holders) == {None}
    return {name: statistics.median(values) for name, values in taken.items()}


@contextmanager
def _stores() -> Iterator[dict[str, Claims]]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(ground.folder()))
        one = Valkey(folder / "one")
        stack.callback(one.kill)
        one.start()
        cluster = stack.enter_context(ValkeyCluster.running(folder / "cluster", primaries=3, replicas=0))
        upstream = [int(one.url.rpartition(":")[2].partition("/")[0]), *map(cluster.port, range(3))]
        detours = {port: ports.choose() for port in upstream}
        stack.callback(_delayed(detours).kill)
        single = Claims(f"redis://{ports.LOOPBACK}:{detours[upstream[0]]}/0", None, Lifetimes(8, 8))
        spread = Claims(cluster.url, None, Lifetimes(8, 8))
        links = _Detoured(cluster.url.replace("redis+cluster", "redis").partition(",")[0], 2.0)
        links.detours = detours
        spread._client._links = links
        for claims in (single, spread):
            stack.callback(claims.close)
            claims.claim({ContactDay("w", f"{n}@example.com", 1): _OWNER for n in range(500)}, {})  # connects
        yield {ONE: single, CLUSTER: spread}


def _delayed(detours: Mapping[int, int]) -> subprocess.Popen[bytes]:
    pairs = [f"{own}:{to}" for to, own in detours.items()]
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.bench.delay", str(_ROUND_TRIP_MS), *pairs], stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    return process
