#!/usr/bin/env bash
# A commit that the network delays ends the producer's NEXT transaction, and the client reports nothing.
#
# Software: librdkafka 2.16.0 (in confluent-kafka 2.16.1 for Python) with Apache Kafka 4.3.1.
# Seen:     the connection is reset while EndTxn (commit) is on its way. librdkafka repeats the request on a new
#           connection, commit_transaction() succeeds and error_cb is not called; only the log has a FAIL line. The first
#           request arrives during the next transaction. The broker accepts it: a read_committed consumer gets a record
#           that the application has not committed, and still has it after the application aborted.
# Expected: a transaction that was not committed, or was aborted, is never visible to read_committed; a reset connection
#           either fails the call or reaches error_cb. The broker is new enough for KIP-890 (transaction version 2, on
#           for new clusters since Kafka 4.0), which suggests that it protects every client; it protects only clients
#           that speak the newer requests.
# Source:   librdkafka issue 5423 (open; support for KIP-890); KIP-890, "Transactions Server-Side Defense".
#
# Needs bash, python3 with venv, Java 17 or newer, and mvn. Takes a minute, and another the first time, when Maven fetches
# Kafka's jars to its own cache.
set -euo pipefail

work=$(mktemp -d)
broker=
cleanup() {
  [ -z "$broker" ] || { kill "$broker" && wait "$broker"; } 2>/dev/null || true
  rm -rf "$work"
}
trap cleanup EXIT

python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --disable-pip-version-check confluent-kafka==2.16.1
cat > "$work/pom.xml" <<'POM'
<project>
  <modelVersion>4.0.0</modelVersion>
  <groupId>finding</groupId><artifactId>broker</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>4.3.1</version></dependency>
  </dependencies>
</project>
POM
mvn -q -B -f "$work/pom.xml" org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies \
  -DoutputDirectory="$work/jars" > "$work/log" 2>&1 || { cat "$work/log"; exit 1; }

read -r internal client proxied controller < <(python3 -c '
import socket
sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(4)]
print(*(s.getsockname()[1] for s in sockets))')
# Clients are sent to the proxy; the broker's own end markers go past it.
cat > "$work/broker.properties" <<CONF
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$controller
controller.listener.names=CONTROLLER
listeners=INTERNAL://127.0.0.1:$internal,CLIENT://127.0.0.1:$client,CONTROLLER://127.0.0.1:$controller
advertised.listeners=INTERNAL://127.0.0.1:$internal,CLIENT://127.0.0.1:$proxied
listener.security.protocol.map=INTERNAL:PLAINTEXT,CLIENT:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=INTERNAL
log.dirs=$work/data
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
group.initial.rebalance.delay.ms=0
CONF
small=(-Xmx384m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -cp "$work/jars/*")
java "${small[@]}" kafka.tools.StorageTool format -t AAAAAAAAAAAAAAAAAAAAAQ -c "$work/broker.properties" > "$work/log" 2>&1
java "${small[@]}" kafka.Kafka "$work/broker.properties" >> "$work/log" 2>&1 &
broker=$!

cat > "$work/finding.py" <<'PYTHON'
import importlib.metadata
import logging
import queue
import socket
import struct
import sys
import threading
import time

from confluent_kafka import Consumer, KafkaException, Producer, libversion

BROKER, PROXY = (("127.0.0.1", int(port)) for port in sys.argv[1:])
ADDRESS = {"bootstrap.servers": f"127.0.0.1:{PROXY[1]}"}
END_TXN = 26
trap = threading.Event()
versions = []  # of each EndTxn that a client sent
held = []  # the request that was caught, and the connection to the broker on which it was to go
late = queue.Queue()  # the answer to it


def read_frame(sock):
    frame, size = b"", 4
    while len(frame) < size:
        chunk = sock.recv(size - len(frame))
        if not chunk:
            raise OSError("closed")
        frame += chunk
        if len(frame) == 4:
            size += struct.unpack(">i", frame)[0]
    return frame


def requests(client, broker):
    """Carry requests; with the trap set, keep the next EndTxn and reset the client's connection."""
    while True:
        frame = read_frame(client)
        key, version = struct.unpack_from(">hh", frame, 4)
        if key == END_TXN:
            versions.append(version)
        if key == END_TXN and trap.is_set():
            trap.clear()
            held.extend([frame, broker])
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.close()
            return
        broker.sendall(frame)


def responses(client, broker):
    while True:
        frame = read_frame(broker)
        if broker in held:
            late.put(frame)
        else:
            client.sendall(frame)


def carry(direction, client, broker):
    try:
        direction(client, broker)
    except OSError:
        client.close()
        broker.close()


def serve(door):
    while True:
        client, _ = door.accept()
        broker = socket.create_connection(BROKER)
        for direction in requests, responses:
            threading.Thread(target=carry, args=(direction, client, broker), daemon=True).start()


def wait_for_broker():
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        try:
            return socket.create_connection(BROKER).close()
        except OSError:
            time.sleep(0.2)
    raise SystemExit("the broker does not start")


def committed(group, last):
    """What a new read_committed consumer gets up to the end of the topic, once it has got the last value named."""
    reader = Consumer({**ADDRESS, "group.id": group, "auto.offset.reset": "earliest", "enable.partition.eof": True})
    reader.subscribe(["results"])
    values, deadline = [], time.monotonic() + 30
    while time.monotonic() < deadline:
        message = reader.poll(1)
        if message and not message.error():
            values.append(message.value().decode())
        elif message and last in values:
            break
    reader.close()
    return values


class Lines(logging.Handler):
    def emit(self, record):
        lines.append(record.getMessage())


errors, lines = [], []
logger = logging.getLogger("driver")
logger.addHandler(Lines())
logger.setLevel(logging.DEBUG)
logger.propagate = False
wait_for_broker()
threading.Thread(target=serve, args=(socket.create_server(PROXY),), daemon=True).start()
producer = Producer({**ADDRESS, "transactional.id": "finding", "error_cb": errors.append}, logger=logger)
print(f"confluent-kafka {importlib.metadata.version('confluent-kafka')}, librdkafka {libversion()[0]}, Kafka 4.3.1")

producer.init_transactions(60)
producer.begin_transaction()
producer.produce("results", b"first")
producer.flush(30)
trap.set()
producer.commit_transaction(60)
producer.poll(1)
fails = [line for line in lines if line.startswith("FAIL")]
print(f"commit_transaction() succeeded; EndTxn was sent {len(versions)} times, as version {versions[0]}")
print(f"error_cb: {len(errors)} calls; log: {fails}")
assert held and versions == [1, 1] and not errors and fails

producer.begin_transaction()
producer.produce("results", b"second")
producer.flush(30)
before = committed("before", "first")
held[1].sendall(held[0])
error = struct.unpack_from(">h", late.get(timeout=30), 12)[0]
after = committed("after", "second")
print(f"the first EndTxn arrives during the second transaction; the broker's answer: error code {error}")
print(f"read_committed before: {before}; after: {after}")
assert (before, error, after) == (["first"], 0, ["first", "second"])

try:
    producer.abort_transaction(30)
    abort = "succeeds"
except KafkaException as failure:
    abort = f"fails: {failure.args[0].name()}"
final = committed("final", "second")
print(f"abort_transaction() {abort}; read_committed after it: {final}")
assert final == ["first", "second"]
print("as described: a transaction that the application never committed is committed")
PYTHON
timeout 150 "$work/venv/bin/python" "$work/finding.py" "$client" "$proxied" || { tail -5 "$work/log"; exit 1; }
