"""A group's coordinator that never answers a join, as Kafka 4.3.1's did after a slow restart."""

import pytest

from schemas.topics import Topics
from tests.faults.frames import Api
from tests.faults.ground import bootstrap
from tests.faults.proxy import Proxy
from tests.faults.traps import Act, Trap, Traps
from tests.flows import Road, visit


def test_a_worker_whose_join_is_not_answered_asks_anew(
    kafka: str, redis_url: str, topics: Topics, claim_key: bytes
) -> None:
    """Kafka gets the join and its answer is lost; everything else on other connections is answered."""
    road, traps = Road(kafka, redis_url, topics, claim_key), Traps()
    lost = Trap(Api.JOIN_GROUP, Act.HOLD, after_s=0)
    road.send(visit(contact) for contact in range(100))
    with Proxy.running() as proxy:
        links = proxy.open_cluster(kafka, traps)
        if not links:
            pytest.skip("single requests are caught on the way to a Kafka on this machine only")
        traps.set(lost)
        settings = {"DAYMARK_MEMBERSHIP": "static", "DAYMARK_SESSION_TIMEOUT_MS": "2000"}
        with road.worker(DAYMARK_KAFKA=bootstrap(links), **settings) as worker:
            worker.wait_for("kafka.away.*has not answered|has not answered.*kafka.away")
            assert lost.caught.is_set()
            road.wait_settled()
            assert worker.status is None
    assert len(road.interactions()) == 100
