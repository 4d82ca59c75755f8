"""Traces by OpenTelemetry: spans of requests, of publishing and of batches. The only user of its packages.

They are the extra `otel`, and loaded only where DAYMARK_TRACES asks for them. Where spans go and which are kept is said
by OpenTelemetry's own variables (OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_TRACES_SAMPLER, OTEL_SERVICE_NAME and the like).
Invariant: no fault of tracing reaches an event; what is not sampled costs a comparison.
"""

import random
import re
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final

import click

from schemas.headers import is_trace

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.sampling import Sampler
    from opentelemetry.trace import Span as OtelSpan
    from opentelemetry.trace import SpanContext

MOST_LINKS: Final = 32
_CLOSE_S: Final = 3.0
# How OpenTelemetry's specification has its usual samplers describe themselves.
_ROOT: Final = re.compile(r"ParentBased\{root:(?:TraceIdRatioBased\{([0-9.e-]+)\}|AlwaysO(n|ff)Sampler),")
_BY_PARENT: Final = "remoteParentSampled:AlwaysOnSampler,remoteParentNotSampled:AlwaysOffSampler"
_NOT_DELIVERED: Final = "not every record was acknowledged"


def check(traces: str) -> None:
    """See that what DAYMARK_TRACES asks for is installed.

    Raises:
        ClickException: it is not.
    """
    if traces != "off" and find_spec("opentelemetry") is None:
        raise click.ClickException("DAYMARK_TRACES needs an extra: install daymark[otel], or set it to off")


def begun(traces: str, service: str) -> "Traces | None":
    """Return the traces of this process, exported by OTLP; None where DAYMARK_TRACES is off.

    Args:
        traces: the setting.
        service: the name of this part, unless OTEL_SERVICE_NAME says another.
    """
    return None if traces == "off" else _exporting(service)


class Traces:
    """The traces of one process. To be made in the process that uses it: its exporter has a thread."""

    def __init__(self, sampler: "Sampler", provider: "TracerProvider") -> None:
        """Begin to trace.

        Args:
            sampler: decides which requests are traced, before a span is made: one that is not recorded would cost, too.
            provider: records every span that it is given.
        """
        self._sampler, self._provider = sampler, provider
        self._rate, self._by_parent = _odds(sampler.get_description())
        self._tracer = provider.get_tracer("daymark")

    def begin(self, path: bytes, sent: bytes | None) -> "Request | None":
        """Return the span of a request; None: it is not sampled. See `ingest.tracing`."""
        if sent is None or not is_trace(sent):
            if self._rate is None:
                return Request(self._tracer, path, None) if self._is_sampled(None) else None
            return Request(self._tracer, path, None) if random.random() < self._rate else None  # noqa: S311  no secret
        if self._by_parent:
            return Request(self._tracer, path, _context(sent)) if is_sampled(sent) else None
        parent = _context(sent)
        return Request(self._tracer, path, parent) if self._is_sampled(parent) else None

    @contextmanager
    def batch(self, traces: Iterable[bytes | None]) -> Iterator[None]:
        """Trace the processing of a batch, if any of its events is sampled: a child of the first, linked to others.

        Args:
            traces: the traceparent of each event, None where it has none.
        """
        from opentelemetry.trace import Link, SpanKind  # noqa: PLC0415

        sampled = [*dict.fromkeys(trace for trace in traces if trace is not None and is_sampled(trace))]
        if not sampled:
            yield
            return
        links = [Link(_span_context(trace)) for trace in sampled[:MOST_LINKS]]
        with self._tracer.start_as_current_span(
            "process segment.events",
            _context(sampled[0]),
            SpanKind.CONSUMER,
            {"messaging.system": "kafka", "messaging.operation.type": "process", "daymark.traces": len(sampled)},
            links,
        ):
            yield

    def close(self) -> None:
        """Export what is left, within a few seconds: a collector that does not answer is not waited for."""
        ending = threading.Thread(target=self._provider.shutdown, daemon=True)
        ending.start()
        ending.join(_CLOSE_S)

    def _is_sampled(self, parent: "Context | None") -> bool:
        trace_id = random.getrandbits(128)
        if parent is not None:
            from opentelemetry.trace import get_current_span  # noqa: PLC0415

            trace_id = get_current_span(parent).get_span_context().trace_id
        decision: Any = self._sampler.should_sample(parent, trace_id, "request").decision
        return bool(decision.is_sampled())


class Request:
    """The spans of one request: of the server, and of publishing."""

    def __init__(self, tracer: Any, path: bytes, parent: "Context | None") -> None:
        """Begin the server's span."""
        from opentelemetry.trace import SpanKind  # noqa: PLC0415

        self._tracer = tracer
        route = path.decode("ascii", "replace")
        said = {"http.request.method": "POST", "url.path": route, "http.route": route}
        self._server: OtelSpan = tracer.start_span(f"POST {route}", parent or _nothing(), SpanKind.SERVER, said)
        self._producer: OtelSpan | None = None

    def publish(self, records: int) -> bytes:
        """As the port says."""
        from opentelemetry.trace import SpanKind, set_span_in_context  # noqa: PLC0415

        said = {
            "messaging.system": "kafka",
            "messaging.operation.type": "send",
            "messaging.batch.message_count": records,
        }
        inside = set_span_in_context(self._server, _nothing())
        self._producer = self._tracer.start_span("send segment.events", inside, SpanKind.PRODUCER, said)
        context = self._producer.get_span_context()
        return b"00-%032x-%016x-%02x" % (context.trace_id, context.span_id, context.trace_flags)

    def published(self, *, is_delivered: bool) -> None:
        """As the port says."""
        from opentelemetry.trace import Status, StatusCode  # noqa: PLC0415

        if self._producer is not None:
            if not is_delivered:
                self._producer.set_status(Status(StatusCode.ERROR, _NOT_DELIVERED))
            self._producer.end()

    def end(self, status: int) -> None:
        """As the port says. A server's span is an error only where the server failed (semantic conventions)."""
        from opentelemetry.trace import Status, StatusCode  # noqa: PLC0415

        self._server.set_attribute("http.response.status_code", status)
        if status >= 500:  # noqa: PLR2004  HTTP's
            self._server.set_status(Status(StatusCode.ERROR))
        self._server.end()


def is_sampled(trace: bytes) -> bool:
    """Return whether a valid traceparent is that of a sampled trace: the lowest bit of its last digit."""
    return trace[-1] in b"13579bdf"


def _odds(description: str) -> tuple[float | None, bool]:
    """Return how likely a trace without a parent is kept (None: ask), and whether a parent's own flag decides."""
    found = _ROOT.match(description)
    by_parent = description.startswith("ParentBased{") and _BY_PARENT in description.replace(" ", "")
    if found is None:
        return None, by_parent
    return (float(found[1]) if found[1] else float(found[2] == "n")), by_parent


def _exporting(service: str) -> Traces:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
    from opentelemetry.sdk.trace.sampling import ALWAYS_ON  # noqa: PLC0415

    named = Resource.create()
    if str(named.attributes.get("service.name", "")).startswith("unknown_service"):
        named = named.merge(Resource({"service.name": service}))
    provider = TracerProvider(ALWAYS_ON, named, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return Traces(TracerProvider(shutdown_on_exit=False).sampler, provider)


def _nothing() -> "Context":
    """Return a context without a span: the current one is no concern of a request."""
    from opentelemetry.context import Context  # noqa: PLC0415

    return Context()


def _span_context(trace: bytes) -> "SpanContext":
    from opentelemetry.trace import SpanContext, TraceFlags  # noqa: PLC0415

    _, trace_id, span_id, flags = trace.split(b"-")
    return SpanContext(int(trace_id, 16), int(span_id, 16), is_remote=True, trace_flags=TraceFlags(int(flags, 16)))


def _context(trace: bytes) -> "Context":
    from opentelemetry.trace import NonRecordingSpan, set_span_in_context  # noqa: PLC0415

    return set_span_in_context(NonRecordingSpan(_span_context(trace)), _nothing())
