"""Every code of the driver has its place."""

from confluent_kafka import KafkaError

from processor import errors


def test_every_code_is_placed_once() -> None:
    """No code of the driver is in none of the tables, or in two; and none is in a table that the driver has not."""
    names = {name for name in dir(KafkaError) if name.lstrip("_").isupper()}
    tables = [errors.RETRIABLE, errors.LOST, errors.FATAL]
    assert set().union(*tables) == names
    assert sum(len(table) for table in tables) == len(names)


def test_place() -> None:
    assert errors.place("_TRANSPORT") is errors.Retriable
    assert errors.place("UNKNOWN_MEMBER_ID") is errors.SessionLost
    assert errors.place("TOPIC_AUTHORIZATION_FAILED") is errors.Fatal
    assert errors.place("_NEVER_HEARD_OF") is errors.Fatal


def test_what_a_person_can_mend_is_told() -> None:
    """Kafka's words, then the right that lacks, or what to look at; other errors are told as they are."""
    things = {"group": "daymark", "topic": "segment.events", "right": "Read"}
    group, nobody = "GROUP_AUTHORIZATION_FAILED", "_AUTHENTICATION"
    assert errors.told(group, "refused.", **things) == "Kafka: refused; grant Read on group daymark"
    assert "DAYMARK_KAFKA_SASL_PASSWORD" in errors.told(nobody, "who?", **things)
    assert errors.told("_TRANSPORT", "away.", **things) == "Kafka: away."
