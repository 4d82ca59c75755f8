"""How the clients of Kafka are set up, from the settings. Makes no decision about delivery: each part does."""

from typing import Any

from daymark.settings import Settings


def client_config(settings: Settings) -> dict[str, Any]:
    """Return what every client of Kafka needs: where the brokers are, and the options passed through."""
    return {
        "bootstrap.servers": settings.kafka,
        "client.id": "daymark",
        "enable.metrics.push": False,  # no telemetry that nobody asked for (KIP-714)
        "log_level": 2,  # librdkafka's own lines on stderr: only when all is lost; the rest comes as errors
        **settings.kafka_options,
    }
