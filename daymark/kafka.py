"""From the settings to librdkafka's options, for every kind of client.

What the guarantee needs of a client stands with that client (`processor.sink`, `processor.consumer_config`,
`ingest.publisher`, `auditing.reading`); `kafka_options` keeps users from overriding it.
"""

from typing import Any, Final

from daymark import timeouts
from daymark.settings import Settings

# Commands say themselves what went wrong; librdkafka's own lines would come between.
_QUIET: Final[dict[str, Any]] = {"log_level": 0, "reconnect.backoff.max.ms": 1000}


def client_config(settings: Settings) -> dict[str, Any]:
    """Return what every client of Kafka needs: where the brokers are, and the options passed through."""
    return {
        "bootstrap.servers": settings.kafka,
        "client.id": "daymark",
        "enable.metrics.push": False,  # no telemetry that nobody asked for (KIP-714)
        "log_level": 2,  # librdkafka's own lines on stderr: only when all is lost; the rest comes as errors
        **settings.kafka_options,
    }


def command_config(settings: Settings) -> dict[str, Any]:
    """Return what a client of an interactive command needs: it says nothing itself, and looks often for a broker."""
    return client_config(settings) | _QUIET


def consumer_config(settings: Settings) -> dict[str, Any]:
    """Return what a worker's consumer needs: its group, how it is a member, and how partitions are assigned."""
    member = {**client_config(settings), "group.id": settings.group}
    if settings.is_static:
        member["group.instance.id"] = str(settings.slot)
    if settings.group_protocol == "consumer":
        return {
            **member,
            "group.protocol": "consumer",
            "group.remote.assignor": settings.assignor or "uniform",
        }
    return {
        **member,
        "partition.assignment.strategy": settings.assignor or ("range" if settings.is_static else "cooperative-sticky"),
        "session.timeout.ms": settings.session_timeout_ms,
        "heartbeat.interval.ms": max(settings.session_timeout_ms // 15, 100),
    }


def producer_config(settings: Settings) -> dict[str, Any]:
    """Return what a worker's producer needs: the name and the time limits of its transactions."""
    return {
        **client_config(settings),
        "transactional.id": transactional_id(settings),
        "transaction.timeout.ms": settings.transaction_timeout_ms,
        "socket.timeout.ms": timeouts.socket_ms(settings.transaction_timeout_ms, settings.kafka_options),
    }


def transactional_id(settings: Settings) -> str:
    """Return the name under which a slot's transactions are fenced: the same after a restart."""
    return f"daymark-{settings.topics.prefix}{settings.group}-{settings.slot}"
