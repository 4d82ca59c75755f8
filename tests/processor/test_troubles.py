"""What the driver complains about is said now and then."""

from confluent_kafka import KafkaError
from structlog.testing import capture_logs

from processor.troubles import Troubles

AWAY, NAMELESS = KafkaError(KafkaError._TRANSPORT), KafkaError(KafkaError._RESOLVE)


def test_the_same_complaint_is_said_every_ten_seconds() -> None:
    """And each other one at once."""
    troubles = Troubles("consumer", iter([0, 9.9, 9.9, 10, 19.9]).__next__)
    with capture_logs() as said:
        for error in (AWAY, AWAY, NAMELESS, AWAY, AWAY):
            troubles.note(error)
    assert [(line["client"], line["code"], line["error"]) for line in said] == [
        ("consumer", "_TRANSPORT", "Local: Broker transport failure"),
        ("consumer", "_RESOLVE", "Local: Host resolution failure"),
        ("consumer", "_TRANSPORT", "Local: Broker transport failure"),
    ]
