"""The one list of settings: the table in docs/operations.md is generated from it, `settings.load` reads by it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

from daymark import redis_url, registries, setting_types, timeouts
from schemas.topics import Topics


class Setting(NamedTuple):
    """One variable: its name without the prefix, the field it fills, how its text is read, its default and meaning."""

    name: str
    field: str
    parse: Callable[[str], Any]
    default: str | None
    meaning: str


TABLE: Final = (
    Setting(
        "KAFKA", "kafka", setting_types.brokers, "localhost:9092", "Kafka's servers, host:port, with commas between"
    ),
    Setting(
        "REDIS",
        "redis",
        redis_url.parse,
        "redis://localhost:6379",
        "redis://, rediss://, unix://, redis+cluster:// or rediss+cluster:// URL; Redis 7+ or Valkey 8+",
    ),
    Setting(
        "SCHEMA_REGISTRY",
        "registry_sites",
        registries.sites,
        None,
        "URLs of a schema registry, with commas between; unset: Avro's single-object encoding",
    ),
    Setting(
        "SCHEMA_REGISTRY_REGISTER",
        "registry_register",
        setting_types.one_of("auto", "never"),
        "auto",
        "whether a schema that the registry does not have is registered: auto or never",
    ),
    Setting("SCHEMA_REGISTRY_TOKEN", "registry_token", registries.token, None, "bearer token for the registry"),
    Setting(
        "SCHEMA_REGISTRY_CA",
        "registry_authority",
        registries.authority,
        None,
        "PEM certificates that are trusted for the registry instead of the system's; `…_CA_FILE` names their file",
    ),
    Setting("WORKSPACES", "workspaces", Path, None, "path of the workspaces file; read again when it changes"),
    Setting("HTTP", "http", setting_types.address, "127.0.0.1:8080", "host:port of the API; port 0 is any free one"),
    Setting(
        "ADMIN",
        "admin",
        setting_types.address,
        None,
        "host:port of health and metrics; by default 127.0.0.1, port 8081 of ingest, 8082 of process",
    ),
    Setting(
        "ALLOWED_ORIGINS",
        "allowed_origins",
        setting_types.origins,
        "",
        "browser origins that may call the API, with commas between, or * (then without credentials)",
    ),
    Setting(
        "ALLOWED_HEADERS",
        "allowed_headers",
        setting_types.headers,
        "",
        "request headers that those may send besides the usual ones, with commas between",
    ),
    Setting(
        "REQUEST_LIMIT_BYTES",
        "request_limit_bytes",
        setting_types.number(32 * 1024, 64 << 20),
        "4194304",
        "longest request, after decompression",
    ),
    Setting(
        "REQUEST_LIMIT_EVENTS",
        "request_limit_events",
        setting_types.number(1, 50_000),
        "4000",
        "most events of a request",
    ),
    Setting(
        "KEEP_ALIVE_S",
        "keep_alive_s",
        setting_types.number(1, 86_400),
        "3660",
        "after so many seconds without a request a connection is closed; longer than load balancers keep theirs",
    ),
    Setting(
        "MINIMUM_RATE_BYTES_S",
        "minimum_rate_bytes_s",
        setting_types.number(1, 1_000_000),
        "1024",
        "slowest rate, in bytes a second, of a request body, and of a client that reads its answers",
    ),
    Setting(
        "INGEST_INSTANCES", "ingest_instances", setting_types.number(1, 10_000), "1", "hosts that run `daymark ingest`"
    ),
    Setting(
        "DRAIN_S",
        "drain_s",
        setting_types.number(0, 3600),
        "5",
        "seconds for which ingest still serves after SIGTERM, /readyz 503, so that proxies notice; SIGINT skips them",
    ),
    Setting("GROUP", "group", setting_types.text, "daymark", "consumer group of the workers"),
    Setting(
        "GROUP_PROTOCOL",
        "group_protocol",
        setting_types.one_of("classic", "consumer"),
        "classic",
        "group protocol: classic, or consumer (KIP-848)",
    ),
    Setting(
        "ASSIGNOR",
        "assignor",
        setting_types.one_of("cooperative-sticky", "range", "roundrobin", "uniform"),
        None,
        "assignor; default: range, of dynamic members cooperative-sticky, by the consumer protocol uniform",
    ),
    Setting(
        "MEMBERSHIP",
        "membership",
        setting_types.one_of("static", "dynamic"),
        None,
        "static: the group keeps a slot's partitions over a restart; default, but dynamic with "
        "the consumer protocol or cooperative-sticky",
    ),
    Setting(
        "SLOT",
        "slot",
        setting_types.slot,
        None,
        "stable name of this worker; by default the host's name, with a number where that is taken on this host",
    ),
    Setting(
        "SESSION_TIMEOUT_MS",
        "session_timeout_ms",
        setting_types.number(1000, 1_800_000),
        "30000",
        "a worker that is silent for so long is taken for dead",
    ),
    Setting(
        "TRANSACTION_TIMEOUT_MS",
        "transaction_timeout_ms",
        setting_types.number(timeouts.LEAST_MS, 900_000),
        "15000",
        "a transaction that is open for so long is aborted",
    ),
    Setting(
        "BATCH_RECORDS", "batch_records", setting_types.number(1, 100_000), "10000", "most records of a transaction"
    ),
    Setting(
        "CLAIM_KEY",
        "claim_key",
        setting_types.secret,
        None,
        "secret of the keyed hash of day keys, the same for all workers; a new one forgets all claims",
    ),
    Setting(
        "CLAIMS_MOVED_FROM",
        "claims_moved_from",
        setting_types.text,
        None,
        "id of the Kafka cluster from which the topics were moved to this one: its claims stay valid",
    ),
    Setting(
        "CLAIM_DAYS", "claim_days", setting_types.number(1, 3650), "8", "lifetime of a day key, in days from the claim"
    ),
    Setting(
        "CLOCK_DAYS",
        "clock_days",
        setting_types.number(1, 3650),
        "8",
        "lifetime of a property's clock, from its change",
    ),
    Setting(
        "REJECTED_PERCENT",
        "rejected_percent",
        setting_types.number(1, 100),
        "50",
        "a worker stops when it would reject more than this share of a minute's records",
    ),
    Setting(
        "REJECTED_RECORDS",
        "rejected_records",
        setting_types.number(1, 1_000_000_000),
        "10000",
        "and at least so many records came in that minute",
    ),
    Setting(
        "LOG_FORMAT",
        "log_format",
        setting_types.one_of("auto", "json", "text"),
        "auto",
        "json, text, or auto: text on a terminal, JSON elsewhere",
    ),
    Setting(
        "LOG_LEVEL",
        "log_level",
        setting_types.one_of("debug", "info", "warning", "error"),
        "info",
        "lowest level that is logged: debug, info, warning or error",
    ),
    Setting("TOPIC_PREFIX", "topics", Topics, "", "put before every topic's name"),
)
