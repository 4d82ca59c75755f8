"""Events go straight into the topic, as fast as the producer takes them, and none is lost unseen."""

from typing import Any, cast

from daymark.simulation import audience, records
from daymark.simulation.audience import Plan
from daymark.simulation.records import Destination
from daymark.simulation.tally import Pace, Tally
from tests.daymark import endpoint


class FullAtTimes:
    """A producer whose queue has room for one record, and that loses every tenth."""

    def __init__(self) -> None:
        self.waiting: list[Any] = []
        self.delivered = 0

    def produce(self, *_record: Any, on_delivery: Any, headers: Any) -> None:
        assert [name for name, _ in headers] == ["workspace", "received_at"]
        if self.waiting:
            raise BufferError
        self.waiting.append(on_delivery)

    def poll(self, _seconds: float) -> int:
        for told in self.waiting:
            self.delivered += 1
            told("lost" if self.delivered % 10 == 0 else None, None)
        self.waiting.clear()
        return 0

    def flush(self, _seconds: float) -> int:
        return self.poll(0)


def test_a_full_queue_is_waited_for_and_a_loss_is_counted() -> None:
    plan = Plan(100, audience.today(endpoint.NOW_MS, None), endpoint.NOW_MS)
    producer, tally = FullAtTimes(), Tally()
    records.publish(audience.events(plan), cast("Any", producer), Destination("t", "w"), Pace(None, 0), tally)
    assert (tally.sent, tally.failed) == (90, 10)
