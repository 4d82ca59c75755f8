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
    faults: list[str] = []
    good: dict[str, Any] = {}
    # Each beside those before it: SASL wants a mechanism that can be had, so the protocol comes last.
    for option, text in sorted(options.items(), key=lambda item: item[0] == "security.protocol"):
        try:
            Producer({**good, option: text, "log_level": 0})
        except KafkaException as error:
            faults.append(f"{OPTION_PREFIX}{option.upper().replace('.', '_')}: {error.args[0].str()}")
        else:
            good[option] = text
    return faults
