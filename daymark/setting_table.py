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
        "KAFKA", "kafka", setting_types.brokers, "localhost:9092", "Kafka bootstrap servers, host:port, comma-separated"
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
        "URLs of a schema registry, comma-separated; unset: Avro's single-object encoding",
    ),
    Setting(
        "SCHEMA_REGISTRY_REGISTER",
        "registry_register",
        setting_types.one_of("auto", "never"),
        "auto",
        "whether a schema missing from the registry is registered: auto or never",
    ),
    Setting("SCHEMA_REGISTRY_TOKEN", "registry_token", registries.token, None, "bearer token for the registry"),
    Setting(
        "SCHEMA_REGISTRY_CA",
        "registry_authority",
        registries.authority,
        None,
        "PEM certificates trusted for the registry instead of the system's; `…_CA_FILE` names their file",
    ),
    Setting("WORKSPACES", "workspaces", Path, None, "path of the workspaces file; reloaded when it changes"),
    Setting(
        "HTTP", "http", setting_types.address, "127.0.0.1:8080", "host:port of the API; port 0 means any free port"
    ),
    Setting(
        "ADMIN",
        "admin",
        setting_types.address,
        None,
        "host:port of health and metrics; by default 127.0.0.1, port 8081 for ingest, 8082 for process",
    ),
    Setting(
        "ALLOWED_ORIGINS",
        "allowed_origins",
        setting_types.origins,
        "",
        "browser origins that may call the API, comma-separated, or * (then without credentials)",
    ),
    Setting(
        "ALLOWED_HEADERS",
        "allowed_headers",
        setting_types.headers,
        "",
        "request headers that those may send besides the usual ones, comma-separated",
    ),
    Setting(
        "REQUEST_LIMIT_BYTES",
        "request_limit_bytes",
        setting_types.number(32 * 1024, 64 << 20),
        "4194304",
        "maximum size of a request body, after decompression",
    ),
    Setting(
        "REQUEST_LIMIT_EVENTS",
        "request_limit_events",
        setting_types.number(1, 50_000),
        "4000",
        "maximum events per request",
    ),
    Setting(
        "KEEP_ALIVE_S",
        "keep_alive_s",
        setting_types.number(1, 86_400),
        "3660",
        "seconds after which an idle connection is closed; should be longer than a load balancer keeps its own",
    ),
    Setting(
        "MINIMUM_RATE_BYTES_S",
        "minimum_rate_bytes_s",
        setting_types.number(1, 1_000_000),
        "1024",
        "minimum rate, in bytes per second, of a request body and of a client reading its responses",
    ),
    Setting(
        "INGEST_INSTANCES",
        "ingest_instances",
        setting_types.number(1, 10_000),
        "1",
        "number of hosts that run `daymark ingest`",
    ),
    Setting(
        "DRAIN_S",
        "drain_s",
        setting_types.number(0, 3600),
        "5",
        "seconds for which ingest keeps serving after SIGTERM, /readyz 503, so that proxies notice; SIGINT skips them",
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
        "assignor; default: static members range, dynamic ones cooperative-sticky, the consumer protocol uniform",
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
        "stable name of this worker; by default the host's name, with a number if another worker of the host has it",
    ),
    Setting(
        "SESSION_TIMEOUT_MS",
        "session_timeout_ms",
        setting_types.number(1000, 1_800_000),
        "30000",
        "a worker that sends no heartbeat for this long is considered dead",
    ),
    Setting(
        "TRANSACTION_TIMEOUT_MS",
        "transaction_timeout_ms",
        setting_types.number(timeouts.LEAST_MS, 900_000),
        "15000",
        "a transaction left open for this long is aborted",
    ),
    Setting(
        "BATCH_RECORDS", "batch_records", setting_types.number(1, 100_000), "10000", "maximum records per transaction"
    ),
    Setting(
        "CLAIM_KEY",
        "claim_key",
        setting_types.secret,
        None,
        "secret of the keyed hash in deduplication keys, the same for all workers; changing it forgets all claims",
    ),
    Setting(
        "CLAIMS_MOVED_FROM",
        "claims_moved_from",
        setting_types.text,
        None,
        "id of the Kafka cluster that the topics were moved from: its claims stay valid",
    ),
    Setting(
        "CLAIM_DAYS",
        "claim_days",
        setting_types.number(1, 3650),
        "8",
        "lifetime of a deduplication key, in days from the claim",
    ),
    Setting(
        "CLOCK_DAYS",
        "clock_days",
        setting_types.number(1, 3650),
        "8",
        "lifetime of a property's clock, in days from its change",
    ),
    Setting(
        "REJECTED_PERCENT",
        "rejected_percent",
        setting_types.number(1, 100),
        "50",
        "a worker stops rather than reject more than this percentage of the last minute's records",
    ),
    Setting(
        "REJECTED_RECORDS",
        "rejected_records",
        setting_types.number(1, 1_000_000_000),
        "10000",
        "and at least this many records were consumed in that minute",
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
    Setting("TOPIC_PREFIX", "topics", Topics, "", "prefix of every topic name"),
)
