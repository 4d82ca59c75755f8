"""Settings: environment -> frozen values (contract, section 9). The only place that reads the environment.

Every fault is reported at once. A secret never appears in a repr. `TABLE` is the one list of settings: README's table
is generated from it.
"""

import difflib
import json
import os
import socket
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

from daymark import values
from daymark.values import Address
from schemas.topics import Topics

PREFIX: Final = "DAYMARK_"
OPTION_PREFIX: Final = "DAYMARK_KAFKA_"
RUNNING: Final = Path(".daymark") / "up.json"  # where a running `daymark up` says how it is reached

# librdkafka options that Daymark's guarantee rests on, or that have a setting of their own.
OWNED_OPTIONS: Final = {
    "acks": "",
    "auto.offset.reset": "",
    "bootstrap.servers": "DAYMARK_KAFKA",
    "enable.auto.commit": "",
    "enable.auto.offset.store": "",
    "enable.idempotence": "",
    "group.id": "DAYMARK_GROUP",
    "group.protocol": "DAYMARK_GROUP_PROTOCOL",
    "isolation.level": "",
    "partition.assignment.strategy": "DAYMARK_ASSIGNOR",
    "partitioner": "",
    "session.timeout.ms": "DAYMARK_SESSION_TIMEOUT_MS",
    "transaction.timeout.ms": "DAYMARK_TRANSACTION_TIMEOUT_MS",
    "transactional.id": "DAYMARK_SLOT",
}
ASSIGNORS: Final = {"classic": ("cooperative-sticky", "range", "roundrobin"), "consumer": ("uniform", "range")}


class SettingsFaults(Exception):
    """What is wrong with the settings: every fault, a line each."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults

    def show(self) -> None:
        """Write every fault to stderr, a line each."""
        for fault in self.faults:
            sys.stderr.write(f"daymark: {fault}\n")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All settings. Times are in milliseconds unless the name says otherwise."""

    kafka: str
    kafka_options: Mapping[str, str] = field(repr=False)
    redis: str = field(repr=False)
    schema_registry: str | None
    workspaces: Path | None
    http: Address
    admin: Address | None
    allowed_origins: tuple[str, ...]
    request_limit_bytes: int
    ingest_instances: int
    group: str
    group_protocol: str
    assignor: str | None
    slot: str
    session_timeout_ms: int
    transaction_timeout_ms: int
    batch_records: int
    claim_key: bytes | None = field(repr=False)
    claim_days: int
    clock_days: int
    rejected_percent: int
    rejected_records: int
    topics: Topics


class Setting(NamedTuple):
    """One variable: its name without the prefix, the field it fills, how its text is read, its default and meaning."""

    name: str
    field: str
    parse: Callable[[str], Any]
    default: str | None
    meaning: str


def from_environment() -> Settings:
    """Return the settings of this process, with a running `daymark up` in this folder as the default.

    Raises:
        SettingsFaults: something is wrong; with every fault at once.
    """
    return load({**_running(RUNNING), **os.environ})


def load(environ: Mapping[str, str]) -> Settings:
    """Return the settings that an environment gives.

    Raises:
        SettingsFaults: something is wrong; with every fault at once.
    """
    faults: list[str] = []
    given = dict(_given(environ, faults))
    values = {setting.field: _value(setting, given, faults) for setting in TABLE}
    options = _options(given, faults)
    faults.extend(_misspelt(given))
    if not faults:
        faults.extend(_across(values, options))
    if faults:
        raise SettingsFaults(faults)
    return Settings(kafka_options=options, **values)


def _given(environ: Mapping[str, str], faults: list[str]) -> Iterator[tuple[str, str]]:
    """Yield our variables without their prefix; NAME_FILE gives NAME the content of a file."""
    for name, text in environ.items():
        if not name.startswith(PREFIX):
            continue
        if not name.endswith("_FILE"):
            yield name.removeprefix(PREFIX), text
        elif name.removesuffix("_FILE") in environ:
            faults.append(f"{name}: {name.removesuffix('_FILE')} is set, too; set one of them")
        else:
            try:
                yield name.removeprefix(PREFIX).removesuffix("_FILE"), Path(text).read_text("utf-8").rstrip("\r\n")
            except (OSError, ValueError) as error:
                faults.append(f"{name}: {text} cannot be read: {getattr(error, 'strerror', None) or error}")


def _value(setting: Setting, given: Mapping[str, str], faults: list[str]) -> Any:
    text = given.get(setting.name) or setting.default
    if text is None:
        return None
    try:
        return setting.parse(text)
    except ValueError as error:
        faults.append(f"{PREFIX}{setting.name}: {error}")
        return None


def _options(given: Mapping[str, str], faults: list[str]) -> dict[str, str]:
    prefix = OPTION_PREFIX.removeprefix(PREFIX)
    options = {
        name.removeprefix(prefix).lower().replace("_", "."): text
        for name, text in given.items()
        if name.startswith(prefix)
    }
    for option in options.keys() & OWNED_OPTIONS:
        instead = OWNED_OPTIONS[option]
        advice = f"set {instead} instead" if instead else "Daymark sets it itself: its guarantee rests on it"
        faults.append(f"{OPTION_PREFIX}{option.upper().replace('.', '_')}: {advice}")
    if options:
        from daymark.kafka import option_faults  # noqa: PLC0415  loads the driver, which most runs of most commands do without

        faults.extend(option_faults(options))
    return options


def _misspelt(given: Mapping[str, str]) -> Iterator[str]:
    """Yield a fault for each variable that is nearly one of ours. Others are left alone: Kubernetes sets some."""
    known = {setting.name for setting in TABLE}
    for name in sorted(given.keys() - known):
        near = difflib.get_close_matches(name, known, 1, 0.8)
        if near and not name.startswith(("KAFKA_", "TEST_")):
            yield f"{PREFIX}{name}: unknown; is {PREFIX}{near[0]} meant?"


def _across(values: Mapping[str, Any], options: Mapping[str, str]) -> Iterator[str]:
    protocol, assignor = values["group_protocol"], values["assignor"]
    if assignor is not None and assignor not in ASSIGNORS[protocol]:
        known = " or ".join(ASSIGNORS[protocol])
        yield f"DAYMARK_ASSIGNOR: {assignor} does not go with the group protocol {protocol}; {known} does"
    if "group.instance.id" in options and protocol == "classic" and assignor != "range":
        # Killed between the two halves of a move, a static member can leave partitions with nobody (measured).
        yield f"{OPTION_PREFIX}GROUP_INSTANCE_ID: wants DAYMARK_ASSIGNOR=range or DAYMARK_GROUP_PROTOCOL=consumer"


def _running(path: Path) -> dict[str, str]:
    try:
        found = json.loads(path.read_bytes())
        os.kill(found["pid"], 0)
        running = {"DAYMARK_KAFKA": found["kafka"], "DAYMARK_REDIS": found["redis"]}
    except (OSError, ValueError, TypeError, KeyError):
        return {}
    # A variable in a file counts as set, too.
    return {name: text for name, text in running.items() if f"{name}_FILE" not in os.environ}


TABLE: Final = (
    Setting("KAFKA", "kafka", values.brokers, "localhost:9092", "Kafka's servers, host:port, with commas between"),
    Setting(
        "REDIS",
        "redis",
        values.redis,
        "redis://localhost:6379",
        "redis://, rediss://, unix:// or redis+cluster:// URL; Redis 7+ or Valkey 8+",
    ),
    Setting(
        "SCHEMA_REGISTRY",
        "schema_registry",
        values.registry,
        None,
        "URL of a schema registry; unset: Avro's single-object encoding",
    ),
    Setting("WORKSPACES", "workspaces", Path, None, "path of the workspaces file; read again when it changes"),
    Setting("HTTP", "http", values.address, "127.0.0.1:8080", "host:port of the API; port 0 is any free one"),
    Setting(
        "ADMIN",
        "admin",
        values.address,
        None,
        "host:port of health and metrics; by default 127.0.0.1, port 8081 of ingest, 8082 of process",
    ),
    Setting(
        "ALLOWED_ORIGINS",
        "allowed_origins",
        values.origins,
        "",
        "browser origins that may call the API, with commas between, or *",
    ),
    Setting(
        "REQUEST_LIMIT_BYTES",
        "request_limit_bytes",
        values.number(32 * 1024, 64 << 20),
        "512000",
        "longest request, after decompression",
    ),
    Setting("INGEST_INSTANCES", "ingest_instances", values.number(1, 10_000), "1", "hosts that run `daymark ingest`"),
    Setting("GROUP", "group", values.text, "daymark", "consumer group of the workers"),
    Setting(
        "GROUP_PROTOCOL",
        "group_protocol",
        values.one_of("classic", "consumer"),
        "classic",
        "group protocol: classic, or consumer (KIP-848)",
    ),
    Setting(
        "ASSIGNOR",
        "assignor",
        values.one_of("cooperative-sticky", "range", "roundrobin", "uniform"),
        None,
        "assignor of partitions; by default cooperative-sticky, with the consumer protocol uniform",
    ),
    Setting(
        "SLOT",
        "slot",
        values.text,
        socket.gethostname(),
        "stable name of this process among the workers; by default the host's name",
    ),
    Setting(
        "SESSION_TIMEOUT_MS",
        "session_timeout_ms",
        values.number(1000, 1_800_000),
        "45000",
        "a worker that is silent for so long is taken for dead",
    ),
    Setting(
        "TRANSACTION_TIMEOUT_MS",
        "transaction_timeout_ms",
        values.number(1000, 900_000),
        "15000",
        "a transaction that is open for so long is aborted",
    ),
    Setting("BATCH_RECORDS", "batch_records", values.number(1, 100_000), "10000", "most records of a transaction"),
    Setting(
        "CLAIM_KEY",
        "claim_key",
        values.secret,
        None,
        "secret of the keyed hash of day keys, the same for all workers; a new one forgets all claims",
    ),
    Setting("CLAIM_DAYS", "claim_days", values.number(1, 3650), "8", "lifetime of a day key, in days from the claim"),
    Setting("CLOCK_DAYS", "clock_days", values.number(1, 3650), "8", "lifetime of a property's clock, from its change"),
    Setting(
        "REJECTED_PERCENT",
        "rejected_percent",
        values.number(1, 100),
        "50",
        "a worker stops when it would reject more than this share of a minute's records",
    ),
    Setting(
        "REJECTED_RECORDS",
        "rejected_records",
        values.number(1, 1_000_000_000),
        "10000",
        "and at least so many records came in that minute",
    ),
    Setting("TOPIC_PREFIX", "topics", Topics, "", "put before every topic's name"),
)
