#!/usr/bin/env bash
# AdminClient.elect_leaders() raises SystemError for each of the two time-outs that its documentation names.
#
# Software: confluent-kafka 2.16.1 for Python.
# Seen:     elect_leaders(..., request_timeout=10) raises "SystemError: more argument specifiers than keyword list
#           entries", with any election type and any partitions, before anything is sent; so does operation_timeout.
#           Given both, TypeError: "function takes at most 4 arguments (5 given)". Without them it works.
# Expected: a future, as the docstring says; list_offsets() and others take a request_timeout.
# Source:   the docstring of AdminClient.elect_leaders; no issue was found.
#
# Needs bash and python3 with venv; no broker. Takes some seconds.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --disable-pip-version-check confluent-kafka==2.16.1
cat > "$work/finding.py" <<'PYTHON'
import importlib.metadata

from confluent_kafka import ElectionType, TopicPartition
from confluent_kafka.admin import AdminClient

print(f"confluent-kafka {importlib.metadata.version('confluent-kafka')}")
admin = AdminClient({"bootstrap.servers": "127.0.0.1:1", "log_level": 0, "socket.timeout.ms": 500})
partitions = [TopicPartition("topic", 0)]


def outcome(**timeouts):
    try:
        admin.elect_leaders(ElectionType.PREFERRED, partitions, **timeouts)
        return "a future"
    except Exception as error:
        return f"{type(error).__name__}: {error}"


cases = {}, {"request_timeout": 10}, {"operation_timeout": 10}, {"request_timeout": 10, "operation_timeout": 10}
found = [outcome(**timeouts) for timeouts in cases]
for timeouts, what in zip(cases, found, strict=True):
    print(timeouts, "->", what)
assert [what.partition(":")[0] for what in found] == ["a future", "SystemError", "SystemError", "TypeError"]
print("as described: the documented time-outs cannot be given")
PYTHON
timeout 60 "$work/venv/bin/python" "$work/finding.py"
