"""The mark of a topic's incarnation, which distinguishes it from earlier and later topics of the same name."""

from typing import Any, Final

_MARK_BYTES: Final = 4


def mark(topic_id: Any) -> bytes:
    """Return four bytes of a topic's id, a `confluent_kafka.Uuid`."""
    identity: int = topic_id.get_most_significant_bits()
    return identity.to_bytes(8, "big", signed=True)[:_MARK_BYTES]
