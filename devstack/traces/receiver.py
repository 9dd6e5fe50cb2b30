"""The OTLP/gRPC endpoint: what processes and Envoy export is stored before it is acknowledged."""

import asyncio
from typing import Any, Final

import grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as otlp
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc as otlp_grpc

from devstack.traces.spans import read_spans
from devstack.traces.store import TraceStore

MAX_REQUEST_BYTES: Final = 4 * 1024 * 1024


class OtlpReceiver(otlp_grpc.TraceServiceServicer):
    """Stores the spans of each request; one with an invalid ID is counted as rejected."""

    def __init__(self, store: TraceStore) -> None:
        self._store = store

    async def Export(  # noqa: N802 - the service's name of it
        self, request: otlp.ExportTraceServiceRequest, _context: object
    ) -> otlp.ExportTraceServiceResponse:
        spans = list(read_spans(request))
        valid = [span for span in spans if span is not None]
        await asyncio.to_thread(self._store.add, valid)
        answer = otlp.ExportTraceServiceResponse()
        if rejected := len(spans) - len(valid):
            answer.partial_success.rejected_spans = rejected
            answer.partial_success.error_message = (
                "a trace ID has 16 bytes and a span ID 8, not all of them zero"
            )
        return answer


async def start_receiver(store: TraceStore, address: str) -> grpc.aio.Server:
    """Start to receive at `host:port`; return the server. Raises RuntimeError if the port is taken."""
    server = grpc.aio.server(options=[("grpc.max_receive_message_length", MAX_REQUEST_BYTES)])
    add_servicer: Any = otlp_grpc.add_TraceServiceServicer_to_server
    add_servicer(OtlpReceiver(store), server)
    server.add_insecure_port(address)
    await server.start()
    return server
