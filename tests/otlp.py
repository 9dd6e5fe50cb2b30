"""An OTLP endpoint that keeps what it is sent."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as otlp
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc as otlp_grpc
from opentelemetry.proto.trace.v1.trace_pb2 import Span


class OtlpReceiver(otlp_grpc.TraceServiceServicer):
    """All received spans, each with the name of its service, and the attributes of their processes."""

    def __init__(self) -> None:
        self.spans: list[tuple[str, Span]] = []
        self.resources: list[dict[str, str]] = []

    def Export(
        self, request: otlp.ExportTraceServiceRequest, context: Any
    ) -> otlp.ExportTraceServiceResponse:
        for resource in request.resource_spans:
            names = {item.key: item.value.string_value for item in resource.resource.attributes}
            self.resources.append(names)
            for scope in resource.scope_spans:
                self.spans += [(names["service.name"], span) for span in scope.spans]
        return otlp.ExportTraceServiceResponse()

    def named(self, part: str) -> list[Span]:
        """Return the spans whose name contains a text."""
        return [span for _, span in self.spans if part in span.name]

    def path_to(self, span: Span) -> list[tuple[str, str]]:
        """Return service and name of each span from the outermost known one down to this one."""
        by_id = {each.span_id: (service, each) for service, each in self.spans}
        path = []
        at = by_id.get(span.span_id)
        while at is not None:
            service, found = at
            path.append((service, found.name))
            at = by_id.get(found.parent_span_id)
        return path[::-1]


@contextmanager
def running_otlp_receiver(port: int = 0) -> Iterator[tuple[OtlpReceiver, int]]:
    """Yield a receiver and its port; it listens on threads, as exporters may block the caller's loop."""
    receiver = OtlpReceiver()
    server = grpc.server(ThreadPoolExecutor(max_workers=2))
    add_servicer: Any = otlp_grpc.add_TraceServiceServicer_to_server
    add_servicer(receiver, server)
    bound = server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    try:
        yield receiver, bound
    finally:
        server.stop(grace=None)
