"""The table of metrics is what the process shows."""

from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from ingest import answers, metrics
from ingest.metrics import Metrics


def test_the_table_is_true() -> None:
    """Each metric of the table is shown, with its kind, its labels and its help, and no other of ours."""
    shown = {
        family.name: family
        for family in text_string_to_metric_families(generate_latest(Metrics().registry).decode())
        if family.name.startswith("daymark_")
    }
    assert {(name.removesuffix("_total")) for name in (metric.name for metric in metrics.TABLE)} == set(shown)
    for metric in metrics.TABLE:
        family = shown[metric.name.removesuffix("_total")]
        assert (family.type, family.documentation) == (metric.kind, metric.help)
        labels = {label for sample in family.samples for label in sample.labels} - {"le"}
        assert labels <= set(metric.labels)


def test_names_follow_prometheus() -> None:
    """Counters end in _total; what is measured in seconds or bytes says so."""
    for metric in metrics.TABLE:
        assert metric.name.startswith("daymark_ingest_") is (metric is not metrics.BUILD)  # that one is every part's
        assert metric.name.endswith("_total") is (metric.kind == "counter")
        if metric.unit in {"seconds", "bytes"}:
            assert metric.unit in metric.name


def test_a_process_may_have_several() -> None:
    """Metrics belong to one server: nothing is global."""
    first, second = Metrics(), Metrics()
    first.answered(answers.ACCEPTED, 0.1, 0)
    line = b'daymark_ingest_requests_total{code="",status="200"} 1.0'
    assert line in generate_latest(first.registry)
    assert line not in generate_latest(second.registry)
