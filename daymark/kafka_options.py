"""The options of librdkafka (`DAYMARK_KAFKA_<OPTION>`): those that Daymark sets itself, and a check of the others."""

from collections.abc import Mapping
from typing import Final

OPTION_PREFIX: Final = "DAYMARK_KAFKA_"

# Options that Daymark's guarantee rests on, or that have a setting of their own.
OWNED_OPTIONS: Final = {
    "acks": "",
    "auto.offset.reset": "",
    "bootstrap.servers": "DAYMARK_KAFKA",
    "enable.auto.commit": "",
    "enable.auto.offset.store": "",
    "enable.idempotence": "",
    "group.id": "DAYMARK_GROUP",
    "group.instance.id": "DAYMARK_SLOT",
    "group.protocol": "DAYMARK_GROUP_PROTOCOL",
    "isolation.level": "",
    "log.connection.close": "",
    "log.queue": "",
    "partition.assignment.strategy": "DAYMARK_ASSIGNOR",
    "partitioner": "",
    "session.timeout.ms": "DAYMARK_SESSION_TIMEOUT_MS",
    "transaction.timeout.ms": "DAYMARK_TRANSACTION_TIMEOUT_MS",
    "transactional.id": "DAYMARK_SLOT",
}
_LAST: Final = {"sasl.oauthbearer.method": 1, "security.protocol": 2}


def variable(option: str) -> str:
    """Return the name of the environment variable that sets an option."""
    return f"{OPTION_PREFIX}{option.upper().replace('.', '_')}"


def option_faults(options: Mapping[str, str]) -> list[str]:
    """Return a fault for each option that librdkafka does not know or whose value it refuses."""
    from confluent_kafka import KafkaException, Producer  # noqa: PLC0415  most runs of most commands need no driver

    def refusal(some: Mapping[str, str]) -> str | None:
        try:
            Producer({**some, "log_level": 0})
        except KafkaException as error:
            return str(error.args[0].str())
        return None

    together = refusal(options)
    if together is None:
        return []
    faults: list[str] = []
    good: dict[str, str] = {}
    # Each is tried together with those before it, so that the fault has a name; those that need others come last.
    for option, text in sorted(options.items(), key=lambda item: _LAST.get(item[0], 0)):
        said = refusal({**good, option: text})
        if said is None:
            good[option] = text
        else:
            faults.append(f"{variable(option)}: {said}")
    return faults or [f"{OPTION_PREFIX}*: {together}"]
