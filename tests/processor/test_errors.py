"""Every error code of the driver is classified."""

from confluent_kafka import KafkaError

from processor import errors


def test_every_code_is_classified_once() -> None:
    """No code of the driver is in none of the tables, or in two; and none is in a table that the driver has not."""
    names = {name for name in dir(KafkaError) if name.lstrip("_").isupper()}
    tables = [errors.RETRIABLE, errors.LOST, errors.FATAL]
    assert set().union(*tables) == names
    assert sum(len(table) for table in tables) == len(names)


def test_classify() -> None:
    assert errors.classify("_TRANSPORT") is errors.Retriable
    assert errors.classify("UNKNOWN_MEMBER_ID") is errors.SessionLost
    assert errors.classify("TOPIC_AUTHORIZATION_FAILED") is errors.Fatal
    assert errors.classify("_NEVER_HEARD_OF") is errors.Fatal


def test_describes_what_a_person_can_mend() -> None:
    """Kafka's words, then the right that lacks, or what to look at; other errors are described as they are."""
    things = {"group": "daymark", "topic": "segment.events", "right": "Read"}
    group, nobody = "GROUP_AUTHORIZATION_FAILED", "_AUTHENTICATION"
    assert errors.describe(group, "refused.", **things) == "Kafka: refused; grant Read on group daymark"
    assert "DAYMARK_KAFKA_SASL_PASSWORD" in errors.describe(nobody, "who?", **things)
    assert errors.describe("_TRANSPORT", "away.", **things) == "Kafka: away."
