#!/usr/bin/env bash
# An idempotent producer keeps a core busy while a request waits for its acknowledgement, and has one request of a
# partition in flight, whatever max.in.flight.requests.per.connection says.
#
# Software: confluent-kafka 2.16.1 with librdkafka 2.16.0.
# Seen:     500 messages a second to one partition, acknowledged after 50 ms, linger.ms=5. With enable.idempotence, the
#           thread of the partition's broker runs through its loop some hundred thousand times a second, with a poll that
#           does not wait (`wakeups` of the statistics; a core of CPU time if it is there to be had), and at most one
#           request is in flight: the window of 5 is compared with the number of *messages* in flight. What has waited
#           for longer than linger.ms behind it is due at once, but may not be sent. Without idempotence, and with
#           idempotence where linger.ms is longer than the acknowledgement takes, there are some hundred rounds a second.
# Expected: the thread sleeps until the answer comes, and up to five requests of a partition are in flight.
# Source:   librdkafka's rdkafka_broker.c (rd_kafka_toppar_producer_serve: the wake-up is set before the window is
#           looked at) and rdkafka_msg.c (rd_kafka_msgq_allow_wakeup_at); pull request 4989 (open) is about the window.
#
# Needs bash and python3 with venv. Takes a quarter of a minute. Uses librdkafka's own mock brokers.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --disable-pip-version-check confluent-kafka==2.16.1

cat > "$work/finding.py" <<'PYTHON'
import json
import time

import confluent_kafka

RATE, SECONDS, ACKNOWLEDGED_MS = 500, 3.0, 50


def rounds(idempotent, linger_ms):
    """Return rounds of the brokers' threads and produce requests, each in a second."""
    seen = []

    def look(text):
        brokers = json.loads(text)["brokers"].values()
        seen.append((sum(b["wakeups"] for b in brokers), sum(b["req"].get("Produce", 0) for b in brokers)))

    producer = confluent_kafka.Producer({
        "bootstrap.servers": "mock", "test.mock.num.brokers": 1, "test.mock.broker.rtt": ACKNOWLEDGED_MS, "log_level": 0,
        "acks": "all", "enable.idempotence": idempotent, "linger.ms": linger_ms,
        "statistics.interval.ms": 1000, "stats_cb": look,
    })
    producer.produce("visits", b"first", partition=0)
    assert not producer.flush(30)
    seen.clear()
    began, sent = time.monotonic(), 0
    while time.monotonic() - began < SECONDS or len(seen) < 2:
        due = int((time.monotonic() - began) * RATE)
        for _ in range(due - sent):
            producer.produce("visits", b"x" * 100, partition=0)
        sent = due
        producer.poll(0.005)
    assert not producer.flush(30)
    (first, asked_first), (last, asked_last) = seen[0], seen[-1]
    seconds = len(seen) - 1
    found = (last - first) / seconds, (asked_last - asked_first) / seconds
    print(f"idempotent={idempotent}, linger.ms={linger_ms}: {found[0]:,.0f} rounds and {found[1]:.0f} requests a second")
    return found


print(f"confluent-kafka {confluent_kafka.__version__}, librdkafka {confluent_kafka.libversion()[0]}")
spins, requests = rounds(idempotent=True, linger_ms=5)
sleeps, pipelined = rounds(idempotent=False, linger_ms=5)
patient, _ = rounds(idempotent=True, linger_ms=4 * ACKNOWLEDGED_MS)
assert spins > 5 * max(sleeps, patient), "it no longer spins"
assert requests < 1.2 * 1000 / ACKNOWLEDGED_MS < pipelined, "more than one request is in flight"
print("as described: the idempotent producer's thread does not sleep while it waits behind a request in flight")
PYTHON
timeout 120 "$work/venv/bin/python" "$work/finding.py"
