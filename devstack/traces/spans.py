"""A received span as the store keeps it."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

MAX_VALUE_CHARS: Final = 4_096
"""Longer texts in attributes are cut."""
MAX_ATTRIBUTES: Final = 128
_TRACE_ID_BYTES: Final = 16
_SPAN_ID_BYTES: Final = 8
_UNNAMED_SERVICE: Final = "unknown"
_KINDS: Final = {
    Span.SPAN_KIND_SERVER: "server",
    Span.SPAN_KIND_CLIENT: "client",
    Span.SPAN_KIND_PRODUCER: "producer",
    Span.SPAN_KIND_CONSUMER: "consumer",
}

AttributeValue = str | bool | int | float
Attributes = dict[str, AttributeValue]


@dataclass(frozen=True)
class SpanEvent:
    """A moment within a span, in microseconds since 1970."""

    at_us: int
    name: str
    attributes: Attributes


@dataclass(frozen=True)
class StoredSpan:
    """One span: IDs are lower-case hexadecimal, times are microseconds since 1970.

    `parent_id` is empty for the first span of a trace; `kind` is `server`, `client`, `producer`, `consumer`
    or `internal`.
    """

    trace_id: str
    span_id: str
    parent_id: str
    service: str
    name: str
    kind: str
    start_us: int
    duration_us: int
    is_error: bool
    error: str
    attributes: Attributes
    process: Attributes
    events: tuple[SpanEvent, ...]


def read_spans(request: ExportTraceServiceRequest) -> Iterator[StoredSpan | None]:
    """Yield each span of a request; None for one whose IDs are not valid."""
    for resource in request.resource_spans:
        process = _read_attributes(resource.resource.attributes)
        service = str(process.pop("service.name", "")) or _UNNAMED_SERVICE
        for scope in resource.scope_spans:
            for span in scope.spans:
                yield _read_span(span, service, process)


def _read_span(span: Span, service: str, process: Attributes) -> StoredSpan | None:
    if not _is_id(span.trace_id, _TRACE_ID_BYTES) or not _is_id(span.span_id, _SPAN_ID_BYTES):
        return None
    start_us, end_us = span.start_time_unix_nano // 1_000, span.end_time_unix_nano // 1_000
    is_error = span.status.code == Status.STATUS_CODE_ERROR
    return StoredSpan(
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_id=span.parent_span_id.hex() if _is_id(span.parent_span_id, _SPAN_ID_BYTES) else "",
        service=service,
        name=_cut(span.name),
        kind=_KINDS.get(span.kind, "internal"),
        # SQLite's integers are signed.
        start_us=min(start_us, 2**62),
        duration_us=min(max(end_us - start_us, 0), 2**62),
        is_error=is_error,
        error=_cut(span.status.message) if is_error else "",
        attributes=_read_attributes(span.attributes),
        process=process,
        events=tuple(
            SpanEvent(event.time_unix_nano // 1_000, _cut(event.name), _read_attributes(event.attributes))
            for event in span.events
        ),
    )


def _is_id(value: bytes, length: int) -> bool:
    return len(value) == length and any(value)


def _read_attributes(attributes: Iterable[KeyValue]) -> Attributes:
    found: Attributes = {}
    for item in attributes:
        if len(found) == MAX_ATTRIBUTES:
            break
        found[_cut(item.key)] = _read_value(item.value)
    return found


def _read_value(value: AnyValue) -> AttributeValue:
    """Return a value as JSON has it: bytes as hexadecimal digits, lists and maps as text."""
    found: AttributeValue = ""
    match value.WhichOneof("value"):
        case "bool_value":
            found = value.bool_value
        case "int_value":
            found = value.int_value
        case "double_value":
            number = value.double_value
            found = number if math.isfinite(number) else str(number)
        case "string_value":
            found = _cut(value.string_value)
        case "bytes_value":
            found = _cut(value.bytes_value.hex())
        case "array_value":
            found = _cut(", ".join(str(_read_value(item)) for item in value.array_value.values))
        case "kvlist_value":
            parts = (f"{item.key}={_read_value(item.value)}" for item in value.kvlist_value.values)
            found = _cut(", ".join(parts))
    return found


def _cut(text: str) -> str:
    return text if len(text) <= MAX_VALUE_CHARS else text[: MAX_VALUE_CHARS - 1] + "…"
