#!/usr/bin/env bash
# One Avro schema with a logical type has three fingerprints, so readers refuse a valid single-object message.
#
# Software: avro 1.12.2 and fastavro 1.13.0 for Python; hamba/avro 2.31.0 and goavro 2.15.0 for Go.
# Seen:     without a logical type the four agree. With one (here timestamp-millis) only fastavro computes the
#           specification's CRC-64-AVRO fingerprint. avro and goavro strip "logicalType" but leave {"type":"long"} where
#           the canonical form has "long"; its "canonical form" has another canonical form and fingerprint than itself.
#           hamba/avro keeps "logicalType". A message with the right fingerprint is refused by both Go readers, and one
#           with avro's by hamba/avro.
# Expected: the canonical form exists so that implementations agree: [STRIP] drops "logicalType", [PRIMITIVES] turns
#           {"type":"long"} into "long". avro is the Avro project's own library for Python; the project's Java library
#           takes the same message as fastavro's.
# Source:   Avro 1.12.0 specification, "Transforming into Parsing Canonical Form" and "Single-object encoding".
#
# Needs bash, python3 with venv, and Go 1.24 or newer. Takes half a minute.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --disable-pip-version-check avro==1.12.2 fastavro==1.13.0

mkdir "$work/reader"
cat > "$work/reader/main.go" <<'GO'
// Reads a single-object message with both libraries; prints a line each.
package main

import (
	"encoding/hex"
	"fmt"
	"os"

	"github.com/hamba/avro/v2"
	"github.com/hamba/avro/v2/soe"
	"github.com/linkedin/goavro/v2"
)

func verdict(err error) string {
	if err != nil {
		return "refuses it: " + err.Error()
	}
	return "reads it"
}

func main() {
	schema := os.Args[1]
	message, err := hex.DecodeString(os.Args[2])
	if err != nil {
		panic(err)
	}
	reader, err := soe.NewCodec(avro.MustParse(schema))
	if err != nil {
		panic(err)
	}
	var visit map[string]any
	fmt.Println("hamba/avro", verdict(reader.Decode(message, &visit)))
	codec, err := goavro.NewCodec(schema)
	if err != nil {
		panic(err)
	}
	_, _, err = codec.NativeFromSingle(message)
	fmt.Println("goavro", verdict(err))
}
GO
(
  cd "$work/reader"
  go mod init finding
  go get github.com/hamba/avro/v2@v2.31.0 github.com/linkedin/goavro/v2@v2.15.0
  go build -o reader .
) > "$work/log" 2>&1 || { cat "$work/log"; exit 1; }

cat > "$work/finding.py" <<'PYTHON'
import importlib.metadata
import json
import subprocess
import sys

import avro.schema
from fastavro.schema import fingerprint, to_parsing_canonical_form

PLAIN = "long"
LOGICAL = {"type": "long", "logicalType": "timestamp-millis"}
CANONICAL = '{"name":"Visit","type":"record","fields":[{"name":"at","type":"long"}]}'  # of both, by the specification
BODY = b"\x02"  # at: 1


def schema(kind):
    return {"type": "record", "name": "Visit", "fields": [{"name": "at", "type": kind}]}


def specified(text):
    """CRC-64-AVRO, written from the specification's definition: bit by bit, least significant first; little-endian."""
    empty = 0xC15D213AA4D7A795
    value = empty
    for byte in text.encode():
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (empty if value & 1 else 0)
    return value.to_bytes(8, "little")


def read(kind, header):
    message = (b"\xc3\x01" + header + BODY).hex()
    done = subprocess.run([sys.argv[1], json.dumps(schema(kind)), message], check=True, capture_output=True, text=True)
    return done.stdout.splitlines()


print(*(f"{name} {importlib.metadata.version(name)}" for name in ("avro", "fastavro")), sep=", ", end="; ")
print("hamba/avro 2.31.0, goavro 2.15.0")
right = specified(CANONICAL)
seen = {}
for name, kind in ("without a logical type", PLAIN), ("with timestamp-millis", LOGICAL):
    parsed = avro.schema.parse(json.dumps(schema(kind)))
    fast = bytes.fromhex(fingerprint(to_parsing_canonical_form(schema(kind)), "CRC-64-AVRO"))
    seen[name] = parsed.fingerprint(), fast, read(kind, right), read(kind, parsed.fingerprint())
    print(f"\n{name}: specification {right.hex()}, fastavro {fast.hex()}, avro {parsed.fingerprint().hex()}")
    print(f"  avro's canonical form: {parsed.canonical_form}")
    print("  message with the specification's fingerprint:", *seen[name][2], sep="\n    ")
    print("  message with avro's fingerprint:", *seen[name][3], sep="\n    ")

reads = ["hamba/avro reads it", "goavro reads it"]
assert seen["without a logical type"] == (right, right, reads, reads)
ours, fast, given_right, given_avro = seen["with timestamp-millis"]
assert fast == right != ours
assert given_right[0].startswith("hamba/avro refuses it: bad fingerprint"), given_right
assert given_right[1].startswith("goavro refuses it: wrong codec"), given_right
assert given_avro[0].startswith("hamba/avro refuses it: bad fingerprint"), given_avro
assert given_avro[1] == reads[1], given_avro
again = avro.schema.parse(avro.schema.parse(json.dumps(schema(LOGICAL))).canonical_form)
print(f"\navro's canonical form of its canonical form: {again.canonical_form}")
assert again.canonical_form == CANONICAL
print("as described: three fingerprints for one schema")
PYTHON
"$work/venv/bin/python" "$work/finding.py" "$work/reader/reader"
