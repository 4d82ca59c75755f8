"""Traces: which requests have spans, what the spans say, and that nothing of it is loaded unless it is asked for."""

import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import pytest
from click.testing import CliRunner
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, ParentBased, Sampler, TraceIdRatioBased
from opentelemetry.trace import StatusCode

from daymark import tracing
from daymark.commands import ingest
from tests.flows import wait_until

TRACE = "0af7651916cd43dd8448eb211c80319c"
SAMPLED = f"00-{TRACE}-b7ad6b7169203331-01".encode()
NOT_SAMPLED = SAMPLED[:-1] + b"0"


class Recorded:
    """Traces, and the spans that they have recorded."""

    def __init__(self, sampler: Sampler) -> None:
        self._exporter = InMemorySpanExporter()
        provider = TracerProvider(ALWAYS_ON, shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.traces = tracing.Traces(sampler, provider)

    @property
    def spans(self) -> dict[str, ReadableSpan]:
        return {span.name: span for span in self._exporter.get_finished_spans()}


@pytest.mark.parametrize(
    ("sampler", "sent", "kept"),
    [
        (ParentBased(ALWAYS_ON), None, True),
        (ParentBased(ALWAYS_OFF), None, False),
        (ParentBased(TraceIdRatioBased(0.0)), None, False),
        (ParentBased(TraceIdRatioBased(1.0)), None, True),
        (ParentBased(ALWAYS_ON), b"not one", True),
        (ParentBased(ALWAYS_OFF), SAMPLED, True),
        (ParentBased(ALWAYS_ON), NOT_SAMPLED, False),
        (ALWAYS_ON, NOT_SAMPLED, True),
        (ALWAYS_OFF, SAMPLED, False),
        (TraceIdRatioBased(1.0), None, True),
        (TraceIdRatioBased(0.0), SAMPLED, False),
    ],
)
def test_the_sampler_decides(sampler: Sampler, sent: bytes | None, *, kept: bool) -> None:
    """OpenTelemetry's own, with and without a parent."""
    assert (Recorded(sampler).traces.begin(b"/v1/i", sent) is not None) is kept


def test_a_ratio_is_about_kept() -> None:
    traces = Recorded(ParentBased(TraceIdRatioBased(0.2))).traces
    assert 1_600 < sum(traces.begin(b"/v1/i", None) is not None for _ in range(10_000)) < 2_400  # ten deviations


@pytest.mark.parametrize(("delivered", "status"), [(True, 200), (False, 503)])
def test_a_request_and_its_publishing(*, delivered: bool, status: int) -> None:
    """The server's span continues the sender's trace, publishing is within it, and its traceparent is the records'."""
    recorded = Recorded(ParentBased(ALWAYS_OFF))
    span = recorded.traces.begin(b"/v1/batch", SAMPLED)
    assert span is not None
    carried = span.publish(3)
    span.published(is_delivered=delivered)
    span.end(status)
    server, sent = recorded.spans["POST /v1/batch"], recorded.spans["send segment.events"]
    assert carried.decode() == f"00-{TRACE}-{_id(sent)}-01"
    assert (server.parent and f"{server.parent.span_id:016x}", sent.parent) == ("b7ad6b7169203331", server.context)
    assert dict(server.attributes or {})["http.response.status_code"] == status
    assert [(each.status.status_code is StatusCode.ERROR) for each in (server, sent)] == [not delivered] * 2


def test_a_batch_is_one_span_with_links() -> None:
    """A child of the first sampled event, linked to so many; a batch without any is not traced."""
    recorded = Recorded(ParentBased(ALWAYS_OFF))
    with recorded.traces.batch([None, NOT_SAMPLED]):
        pass
    assert recorded.spans == {}
    others = [f"00-{number:032x}-{number:016x}-01".encode() for number in range(1, 100)]
    with recorded.traces.batch([None, SAMPLED, SAMPLED, *others]):
        pass
    [span] = recorded.spans.values()
    assert span.parent is not None
    assert f"{span.parent.trace_id:032x}" == TRACE
    assert len(span.links) == tracing.MOST_LINKS
    assert dict(span.attributes or {})["daymark.traces"] == 100


def test_a_batch_that_fails_is_an_error_and_stays_one() -> None:
    recorded = Recorded(ParentBased(ALWAYS_ON))
    with pytest.raises(OSError, match="away"), recorded.traces.batch([SAMPLED]):
        raise OSError("away")
    assert recorded.spans["process segment.events"].status.status_code is StatusCode.ERROR


class Collector(BaseHTTPRequestHandler):
    """Takes what is exported, and keeps the paths."""

    paths: ClassVar[list[str]] = []

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.paths.append(self.path)
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *arguments: Any) -> None:
        pass


def test_spans_are_exported_as_the_standard_variables_say(monkeypatch: pytest.MonkeyPatch) -> None:
    """To the collector that they name, at the latest at the end; the sampler is theirs, too."""
    for name in [name for name in os.environ if name.startswith("OTEL_")]:
        monkeypatch.delenv(name)
    with ThreadingHTTPServer(("127.0.0.1", 0), Collector) as collector:
        threading.Thread(target=collector.serve_forever, daemon=True).start()
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{collector.server_port}")
        for sampler in ("always_off", "parentbased_always_on"):
            monkeypatch.setenv("OTEL_TRACES_SAMPLER", sampler)
            traces = tracing.begun("otlp", "test")
            assert traces is not None
            span = traces.begin(b"/v1/i", None)
            if span is not None:
                span.end(200)
            traces.close()
        wait_until(lambda: bool(Collector.paths), "the span is exported")
        assert (sampler, Collector.paths) == ("parentbased_always_on", ["/v1/traces"])
        collector.shutdown()


def test_nothing_is_loaded_unless_asked_for() -> None:
    """Neither ingest nor a worker loads the exporter while DAYMARK_TRACES is off."""
    code = (
        "import sys, daymark.worker_wiring, ingest.server, daymark.commands.ingest\n"
        "from daymark import tracing\n"
        "assert tracing.begun('off', 'x') is None\n"
        "assert 'opentelemetry.exporter' not in sys.modules"  # redis-py loads the SDK where it finds it
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=120).returncode == 0


def test_the_extra_is_asked_for_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """A setting that needs what is not installed is refused at the start."""
    monkeypatch.setattr(tracing, "find_spec", lambda _: None)
    environ = {"DAYMARK_TRACES": "otlp", "DAYMARK_KAFKA": "127.0.0.1:1", "DAYMARK_WORKSPACES": "/nowhere"}
    result = CliRunner().invoke(ingest.command, [], env=environ)
    assert (result.exit_code, "daymark[otel]" in result.output) == (1, True), result.output


def _id(span: ReadableSpan) -> str:
    context: Any = span.context
    return f"{context.span_id:016x}"
