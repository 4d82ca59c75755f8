"""The metrics of ingest."""

from prometheus_client import generate_latest

from ingest import answers
from ingest.metrics import Metrics


def test_names_say_whose_they_are() -> None:
    """Each of ours starts with the part's name, but for the build, which every part shows."""
    ours = {family.name for family in Metrics().registry.collect() if family.name.startswith("daymark_")}
    assert "daymark_ingest_requests" in ours
    assert {name for name in ours if not name.startswith("daymark_ingest_")} == {"daymark_build_info"}


def test_a_process_may_have_several() -> None:
    """Metrics belong to one server: nothing is global."""
    first, second = Metrics(), Metrics()
    first.answered(answers.ACCEPTED, 0.1, 0)
    line = b'daymark_ingest_requests_total{code="",status="200"} 1.0'
    assert line in generate_latest(first.registry)
    assert line not in generate_latest(second.registry)
