"""Spans for tests of the trace store."""

from dataclasses import replace

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span

from devstack.traces.spans import StoredSpan

TRACE = "0af7651916cd43dd8448eb211c80319c"
START_US = 1_900_000_000_000_000
_SPAN = StoredSpan(
    trace_id=TRACE,
    span_id="b7ad6b7169203331",
    parent_id="",
    service="auth",
    name="auth.v1.Auth/Login",
    kind="server",
    start_us=START_US,
    duration_us=1_500,
    is_error=False,
    error="",
    attributes={},
    process={},
    events=(),
)


def make_span(number: int = 1, **fields: object) -> StoredSpan:
    """Return a span whose ID is a number."""
    return replace(_SPAN, **{"span_id": f"{number:016x}", **fields})  # type: ignore[arg-type]


def make_request(*spans: Span, service: str = "auth") -> ExportTraceServiceRequest:
    """Return an export of one process."""
    name = KeyValue(key="service.name", value=AnyValue(string_value=service))
    resource = Resource(attributes=[name])
    return ExportTraceServiceRequest(
        resource_spans=[ResourceSpans(resource=resource, scope_spans=[ScopeSpans(spans=spans)])]
    )
