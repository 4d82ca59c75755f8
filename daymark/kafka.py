"""How the clients of Kafka are set up, from the settings. Makes no decision about delivery: each part does."""

from collections.abc import Mapping
from typing import Any

from confluent_kafka import KafkaException, Producer

from daymark.settings import OPTION_PREFIX, Settings


def client_config(settings: Settings) -> dict[str, Any]:
    """Return what every client of Kafka needs: where the brokers are, and the options passed through."""
    return {
        "bootstrap.servers": settings.kafka,
        "client.id": "daymark",
        "enable.metrics.push": False,  # no telemetry that nobody asked for (KIP-714)
        "log_level": 2,  # librdkafka's own lines on stderr: only when all is lost; the rest comes as errors
        **settings.kafka_options,
    }


def option_faults(options: Mapping[str, str]) -> list[str]:
    """Return a fault for each option that librdkafka does not know or whose value it refuses."""
    return [fault for option, text in options.items() if (fault := _option_fault(option, text))]


def _option_fault(option: str, text: str) -> str | None:
    try:
        Producer({option: text, "log_level": 0})
    except KafkaException as error:
        variable = OPTION_PREFIX + option.upper().replace(".", "_")
        return f"{variable}: {error.args[0].str()}"
    return None
