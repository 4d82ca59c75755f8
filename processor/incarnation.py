"""What tells a topic from one of the same name made before or after it: the mark of the owners of claims."""

from typing import Any, Final

_MARK_BYTES: Final = 4


def mark(topic_id: Any) -> bytes:
    """Return four bytes of a topic's id, a `confluent_kafka.Uuid`."""
    identity: int = topic_id.get_most_significant_bits()
    return identity.to_bytes(8, "big", signed=True)[:_MARK_BYTES]
