"""Real spans, exported over OTLP/gRPC; imported only where an endpoint is set."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.pymongo import PymongoInstrumentor
from opentelemetry.instrumentation.redis import RedisInstrumentor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import (
    Decision,
    ParentBased,
    Sampler,
    SamplingResult,
    TraceIdRatioBased,
)
from opentelemetry.trace import Link, SpanKind, StatusCode, TraceState
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.util.types import Attributes as SpanAttributes

from chassis.observability.spans import Attributes, Span
from chassis.observability.spans import SpanKind as KindName

_EXPORT_TIMEOUT_S: Final = 5
_MAX_QUEUED_SPANS: Final = 2_048
_SPAN_KINDS: Final = {
    "server": SpanKind.SERVER,
    "client": SpanKind.CLIENT,
    "consumer": SpanKind.CONSUMER,
    "producer": SpanKind.PRODUCER,
    "internal": SpanKind.INTERNAL,
}
_W3C_PROPAGATOR: Final = TraceContextTextMapPropagator()


class OtlpRecorder:
    """Records this process's spans, those of MongoDB and Redis commands included, and exports them in
    batches."""

    def __init__(
        self,
        service: str,
        role: str,
        endpoint: str,
        sample_ratio: float,
        *,
        installation: Mapping[str, str] | None = None,
    ) -> None:
        """`installation` are attributes of all spans that say which installation the process belongs to."""
        resource = Resource.create(
            {
                **(installation or {}),
                "service.name": service,
                "service.namespace": "internshipconnect",
                "service.instance.role": role,
            }
        )
        sampler = ParentBased(_NoClientRoots(TraceIdRatioBased(sample_ratio)))
        self._provider = TracerProvider(sampler=sampler, resource=resource, shutdown_on_exit=False)
        exporter = OTLPSpanExporter(
            endpoint=endpoint, insecure=not endpoint.startswith("https://"), timeout=_EXPORT_TIMEOUT_S
        )
        self._provider.add_span_processor(BatchSpanProcessor(exporter, max_queue_size=_MAX_QUEUED_SPANS))
        self._tracer = self._provider.get_tracer("chassis")
        PymongoInstrumentor().instrument(tracer_provider=self._provider)
        RedisInstrumentor().instrument(tracer_provider=self._provider)

    @contextmanager
    def start_span(
        self, name: str, kind: KindName, traceparent: str | None, attributes: Attributes
    ) -> Iterator[Span]:
        with self._tracer.start_as_current_span(
            name,
            context=_parent_context(traceparent),
            kind=_SPAN_KINDS[kind],
            attributes=dict(attributes),
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            yield _RecordedSpan(span)

    def current_traceparent(self) -> str:
        carrier: dict[str, str] = {}
        _W3C_PROPAGATOR.inject(carrier)
        return carrier.get("traceparent", "")

    def close(self) -> None:
        PymongoInstrumentor().uninstrument()
        RedisInstrumentor().uninstrument()
        self._provider.force_flush(_EXPORT_TIMEOUT_S * 1_000)
        self._provider.shutdown()


class _RecordedSpan:
    def __init__(self, span: trace.Span) -> None:
        self._span = span

    def set_attribute(self, key: str, value: str | float) -> None:
        self._span.set_attribute(key, value)

    def set_error(self, description: str) -> None:
        self._span.set_status(StatusCode.ERROR, description)


class _NoClientRoots(Sampler):
    """Drops commands outside any request, such as the relay's waiting and health checks."""

    def __init__(self, others: Sampler) -> None:
        self._others = others

    def should_sample(  # noqa: PLR0917 - the library's signature
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: SpanAttributes = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        if kind is SpanKind.CLIENT:
            return SamplingResult(Decision.DROP)
        return self._others.should_sample(
            parent_context, trace_id, name, kind, attributes, links, trace_state
        )

    def get_description(self) -> str:
        return f"NoClientRoots{{{self._others.get_description()}}}"


def _parent_context(traceparent: str | None) -> Context | None:
    """Return the context of the remote parent; for None the current one, for "" that of a new trace."""
    return None if traceparent is None else _W3C_PROPAGATOR.extract({"traceparent": traceparent}, Context())
