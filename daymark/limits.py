"""The topics' limits, `max.message.bytes`, which determine the size of batches and rejections."""

from collections.abc import Sequence
from typing import Final

import structlog
from confluent_kafka import KafkaException
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # public, but not marked so
    AdminClient,
    ConfigResource,
    ResourceType,
)

from schemas.topics import MESSAGE_LIMIT, low_limit

_ANSWER_S: Final = 2.0

log = structlog.get_logger()


def read(admin: AdminClient, names: Sequence[str]) -> dict[str, int]:
    """Return the limit of each topic that says it; what is denied or not answered is said, and left out."""
    asked = admin.describe_configs(
        [ConfigResource(ResourceType.TOPIC, name) for name in names], request_timeout=_ANSWER_S
    )
    found: dict[str, int] = {}
    for resource, answer in asked.items():
        try:
            found[resource.name] = int(answer.result(2 * _ANSWER_S)[MESSAGE_LIMIT].value)
        except (KafkaException, TimeoutError, KeyError, TypeError) as error:
            log.warning(
                "limits.unknown",
                topic=resource.name,
                error=str(error),
                advice=f"grant DescribeConfigs on topic {resource.name}, to fit batches to its max.message.bytes",
            )
    for name, limit in found.items():
        if advice := low_limit(name, limit):
            log.error("topic.limit_low", topic=name, limit=limit, advice=advice)
    return found
