"""The one list of settings: each field of `Settings` with its variable, how that is read, and what it means.

`settings.load` reads by it, and the table in docs/operations.md is generated from it. A secret never appears in a repr.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Final, NamedTuple

from daymark import redis_url, registries, setting_types, timeouts
from daymark.registries import Registry, Site
from daymark.setting_types import Address, Network
from schemas.topics import Topics


class Setting(NamedTuple):
    """One variable: its name without the prefix, how its text is read, its default and meaning; the field it fills."""

    name: str
    parse: Callable[[str], Any]
    default: str | None
    meaning: str
    field: str = ""


def _setting(
    name: str, parse: Callable[[str], Any], default: str | None, meaning: str, *, secret: bool = False
) -> Any:  # a field of a dataclass, whatever its type
    return field(repr=not secret, metadata={"setting": Setting(name, parse, default, meaning)})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All settings. Times are in milliseconds unless the name says otherwise. `kafka_options` are librdkafka's."""

    kafka: str = _setting(
        "KAFKA", setting_types.brokers, "localhost:9092", "Kafka bootstrap servers, host:port, comma-separated"
    )
    redis: str = _setting(
        "REDIS",
        redis_url.parse,
        "redis://localhost:6379",
        "redis://, rediss://, unix://, redis+cluster:// or rediss+cluster:// URL; Redis 7+ or Valkey 8+",
        secret=True,
    )
    registry_sites: tuple[Site, ...] | None = _setting(
        "SCHEMA_REGISTRY",
        registries.sites,
        None,
        "URLs of a schema registry, comma-separated; unset: Avro's single-object encoding",
        secret=True,
    )
    registry_register: str = _setting(
        "SCHEMA_REGISTRY_REGISTER",
        setting_types.one_of("auto", "never"),
        "auto",
        "whether a schema missing from the registry is registered: auto or never",
    )
    registry_token: str | None = _setting(
        "SCHEMA_REGISTRY_TOKEN", registries.token, None, "bearer token for the registry", secret=True
    )
    registry_authority: str | None = _setting(
        "SCHEMA_REGISTRY_CA",
        registries.authority,
        None,
        "PEM certificates trusted for the registry instead of the system's; `…_CA_FILE` names their file",
        secret=True,
    )
    workspaces: Path | None = _setting(
        "WORKSPACES", Path, None, "path of the workspaces file; reloaded when it changes"
    )
    http: Address = _setting(
        "HTTP", setting_types.address, "127.0.0.1:8080", "host:port of the API; port 0 means any free port"
    )
    admin: Address | None = _setting(
        "ADMIN",
        setting_types.address,
        None,
        "host:port of health and metrics; by default 127.0.0.1, port 8081 for ingest, 8082 for process",
    )
    allowed_origins: tuple[str, ...] = _setting(
        "ALLOWED_ORIGINS",
        setting_types.origins,
        "",
        "browser origins that may call the API, comma-separated, or * (then without credentials)",
    )
    allowed_headers: tuple[str, ...] = _setting(
        "ALLOWED_HEADERS",
        setting_types.headers,
        "",
        "request headers that those may send besides the usual ones, comma-separated",
    )
    request_limit_bytes: int = _setting(
        "REQUEST_LIMIT_BYTES",
        setting_types.number(32 * 1024, 64 << 20),
        "4194304",
        "maximum size of a request body, after decompression",
    )
    request_limit_events: int = _setting(
        "REQUEST_LIMIT_EVENTS", setting_types.number(1, 50_000), "4000", "maximum events per request"
    )
    keep_alive_s: int = _setting(
        "KEEP_ALIVE_S",
        setting_types.number(1, 86_400),
        "3660",
        "seconds after which an idle connection is closed; should be longer than a load balancer keeps its own",
    )
    minimum_rate_bytes_s: int = _setting(
        "MINIMUM_RATE_BYTES_S",
        setting_types.number(1, 1_000_000),
        "1024",
        "minimum rate, in bytes per second, of a request body and of a client reading its responses",
    )
    ingest_instances: int = _setting(
        "INGEST_INSTANCES", setting_types.number(1, 10_000), "1", "number of hosts that run `daymark ingest`"
    )
    drain_s: int = _setting(
        "DRAIN_S",
        setting_types.number(0, 3600),
        "5",
        "seconds for which ingest keeps serving after SIGTERM, /readyz 503, so that proxies notice; SIGINT skips them",
    )
    group: str = _setting("GROUP", setting_types.text, "daymark", "consumer group of the workers")
    group_protocol: str = _setting(
        "GROUP_PROTOCOL",
        setting_types.one_of("classic", "consumer"),
        "classic",
        "group protocol: classic, or consumer (KIP-848)",
    )
    assignor: str | None = _setting(
        "ASSIGNOR",
        setting_types.one_of("cooperative-sticky", "range", "roundrobin", "uniform"),
        None,
        "assignor; default: static members range, dynamic ones cooperative-sticky, the consumer protocol uniform",
    )
    membership: str | None = _setting(
        "MEMBERSHIP",
        setting_types.one_of("static", "dynamic"),
        None,
        "static: the group keeps a slot's partitions over a restart; default, but dynamic with "
        "the consumer protocol or cooperative-sticky",
    )
    slot: str | None = _setting(
        "SLOT",
        setting_types.slot,
        None,
        "stable name of this worker; by default the host's name, with a number if another worker of the host has it",
    )
    session_timeout_ms: int = _setting(
        "SESSION_TIMEOUT_MS",
        setting_types.number(1000, 1_800_000),
        "30000",
        "a worker that sends no heartbeat for this long is considered dead",
    )
    transaction_timeout_ms: int = _setting(
        "TRANSACTION_TIMEOUT_MS",
        setting_types.number(timeouts.LEAST_MS, 900_000),
        "15000",
        "a transaction left open for this long is aborted",
    )
    batch_records: int = _setting(
        "BATCH_RECORDS", setting_types.number(1, 100_000), "10000", "maximum records per transaction"
    )
    backfill_lane: bool = _setting(
        "BACKFILL_LANE",
        setting_types.switch,
        "off",
        "on: workers also read segment.backfill, whose events wait for live ones; `daymark topics` creates it",
    )
    claim_key: bytes | None = _setting(
        "CLAIM_KEY",
        setting_types.secret,
        None,
        "secret of the keyed hash in deduplication keys, the same for all workers; changing it forgets all claims",
        secret=True,
    )
    claims_moved_from: str | None = _setting(
        "CLAIMS_MOVED_FROM",
        setting_types.text,
        None,
        "id of the Kafka cluster that the topics were moved from: its claims stay valid",
    )
    claim_days: int = _setting(
        "CLAIM_DAYS", setting_types.number(1, 3650), "8", "lifetime of a deduplication key, in days from the claim"
    )
    clock_days: int = _setting(
        "CLOCK_DAYS",
        setting_types.number(1, 3650),
        "8",
        "lifetime of a property's clock, in days from the last change compared with it",
    )
    rejected_percent: int = _setting(
        "REJECTED_PERCENT",
        setting_types.number(1, 100),
        "50",
        "a worker stops rather than reject more than this percentage of the last minute's records",
    )
    rejected_records: int = _setting(
        "REJECTED_RECORDS",
        setting_types.number(1, 1_000_000_000),
        "10000",
        "and at least this many records were consumed in that minute",
    )
    log_format: str = _setting(
        "LOG_FORMAT",
        setting_types.one_of("auto", "json", "text"),
        "auto",
        "json, text, or auto: text on a terminal, JSON elsewhere",
    )
    log_level: str = _setting(
        "LOG_LEVEL",
        setting_types.one_of("debug", "info", "warning", "error"),
        "info",
        "lowest level that is logged: debug, info, warning or error",
    )
    traces: str = _setting(
        "TRACES",
        setting_types.one_of("off", "otlp"),
        "off",
        "otlp: send traces by OpenTelemetry (extra `otel`); its own variables say where to and which, such as "
        "OTEL_EXPORTER_OTLP_ENDPOINT and OTEL_TRACES_SAMPLER",
    )
    timeline: str = _setting(
        "TIMELINE",
        setting_types.database,
        "sqlite:///timeline.db",
        "database of `daymark timeline`: sqlite:///relative/path, sqlite:////absolute/path or "
        "postgresql://user:password@host/database",
        secret=True,
    )
    timeline_http: Address = _setting(
        "TIMELINE_HTTP", setting_types.address, "127.0.0.1:8090", "host:port of the timeline's pages"
    )
    timeline_token: str | None = _setting(
        "TIMELINE_TOKEN",
        setting_types.text,
        None,
        "what is asked for at sign-in, 16 characters or more; needed, or a proxy, unless the pages are on loopback",
        secret=True,
    )
    timeline_proxy_header: str | None = _setting(
        "TIMELINE_PROXY_HEADER",
        setting_types.text,
        None,
        "header by which a trusted proxy names a person whom it has signed in; with TIMELINE_PROXIES",
    )
    timeline_proxies: tuple[Network, ...] = _setting(
        "TIMELINE_PROXIES",
        setting_types.networks,
        "",
        "addresses of such proxies, comma-separated, such as 10.0.0.0/8; the header counts from nobody else",
    )
    topics: Topics = _setting("TOPIC_PREFIX", Topics, "", "prefix of every topic name")
    kafka_options: Mapping[str, str] = field(repr=False)

    @property
    def is_static(self) -> bool:
        """Whether a worker is a static member of its group (KIP-345), named by its slot.

        Not by default where that would cost: by the consumer protocol Kafka refuses a static member that was killed
        until its session times out, and with cooperative-sticky it can leave partitions unassigned.
        """
        if self.membership is not None:
            return self.membership == "static"
        return self.group_protocol == "classic" and self.assignor != "cooperative-sticky"

    @property
    def schema_registry(self) -> Registry | None:
        """The schema registry, if there is one."""
        if self.registry_sites is None:
            return None
        may_register = self.registry_register == "auto"
        return Registry(self.registry_sites, may_register, self.registry_token, self.registry_authority)


TABLE: Final[tuple[Setting, ...]] = tuple(
    each.metadata["setting"]._replace(field=each.name) for each in fields(Settings) if "setting" in each.metadata
)
