"""What the driver complains about is logged, at a decreasing pace."""

from confluent_kafka import KafkaError
from structlog.testing import capture_logs

from processor.troubles import Pace, Troubles

AWAY, NAMELESS = KafkaError(KafkaError._TRANSPORT), KafkaError(KafkaError._RESOLVE)


def test_the_same_complaint_is_logged_at_a_decreasing_pace() -> None:
    """Each other one at once."""
    troubles = Troubles("consumer", Pace(iter([0, 9.9, 9.9, 10, 29.9, 30, 69.9]).__next__))
    with capture_logs() as said:
        for error in (AWAY, AWAY, NAMELESS, AWAY, AWAY, AWAY, AWAY):
            troubles.note(error)
    assert [(line["client"], line["code"], line["error"]) for line in said] == [
        ("consumer", "_TRANSPORT", "Local: Broker transport failure"),
        ("consumer", "_RESOLVE", "Local: Host resolution failure"),
        ("consumer", "_TRANSPORT", "Local: Broker transport failure"),
        ("consumer", "_TRANSPORT", "Local: Broker transport failure"),
    ]


def test_an_outage_of_a_day_takes_few_lines_and_the_next_one_is_logged_at_once() -> None:
    """Asked once a second: 10, 20, 40 … 300 s apart; after 300 quiet seconds from the start."""
    clock = [0.0]
    pace = Pace(lambda: clock[0])
    logged = []
    for second in range(3_600):
        clock[0] = float(second)
        if pace.is_due("kafka.away"):
            logged.append(second)
    assert logged[:7] == [0, 10, 30, 70, 150, 310, 610]
    assert len(logged) == 16
    clock[0] += 900
    assert [pace.is_due("kafka.away"), pace.is_due("kafka.away")] == [True, False]
    clock[0] += 10
    assert pace.is_due("kafka.away")
