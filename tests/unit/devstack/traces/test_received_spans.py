"""What an export becomes: valid spans are kept, whatever their attributes hold; others are counted."""

from pathlib import Path
from typing import Any

import grpc
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc as otlp_grpc
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue, KeyValueList
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from devstack.traces.jaeger import encode_trace
from devstack.traces.receiver import start_receiver
from devstack.traces.spans import MAX_ATTRIBUTES, MAX_VALUE_CHARS, read_spans
from devstack.traces.store import TraceStore
from tests.ports import free_port
from tests.unit.devstack.traces.builders import TRACE, make_request

TRACE_BYTES = bytes.fromhex(TRACE)


def _span(**fields: object) -> Span:
    return Span(**{"trace_id": TRACE_BYTES, "span_id": b"12345678", "name": "call", **fields})  # type: ignore[arg-type]


def test_a_span_keeps_its_place_its_times_and_its_error() -> None:
    sent = _span(
        parent_span_id=b"87654321",
        kind=Span.SPAN_KIND_CLIENT,
        start_time_unix_nano=2_000_000_000,
        end_time_unix_nano=2_000_750_999,
        status=Status(code=Status.STATUS_CODE_ERROR, message="no answer"),
        events=[Span.Event(time_unix_nano=2_000_001_000, name="retry")],
    )
    (span,) = read_spans(make_request(sent, service="user"))
    assert span is not None
    assert (span.trace_id, span.span_id, span.parent_id) == (TRACE, b"12345678".hex(), b"87654321".hex())
    assert (span.service, span.kind, span.start_us, span.duration_us) == ("user", "client", 2_000_000, 750)
    assert (span.is_error, span.error) == (True, "no answer")
    assert [(event.name, event.at_us) for event in span.events] == [("retry", 2_000_001)]


def test_attributes_of_every_type_are_kept() -> None:
    values = {
        "text": (AnyValue(string_value="a"), "a"),
        "flag": (AnyValue(bool_value=True), True),
        "number": (AnyValue(int_value=-(2**63)), -(2**63)),
        "ratio": (AnyValue(double_value=0.5), 0.5),
        "infinite": (AnyValue(double_value=float("inf")), "inf"),
        "bytes": (AnyValue(bytes_value=b"\x00\xff"), "00ff"),
        "list": (
            AnyValue(array_value=ArrayValue(values=[AnyValue(int_value=1), AnyValue(string_value="b")])),
            "1, b",
        ),
        "map": (
            AnyValue(kvlist_value=KeyValueList(values=[KeyValue(key="k", value=AnyValue(bool_value=False))])),
            "k=False",
        ),
        "none": (AnyValue(), ""),
    }
    sent = _span(attributes=[KeyValue(key=key, value=value) for key, (value, _) in values.items()])
    (span,) = read_spans(make_request(sent))
    assert span is not None
    assert span.attributes == {key: expected for key, (_, expected) in values.items()}


def test_long_texts_and_many_attributes_are_cut() -> None:
    long = AnyValue(string_value="x" * 2 * MAX_VALUE_CHARS)
    sent = _span(attributes=[KeyValue(key=f"k{n}", value=long) for n in range(2 * MAX_ATTRIBUTES)])
    (span,) = read_spans(make_request(sent))
    assert span is not None
    assert len(span.attributes) == MAX_ATTRIBUTES
    assert {len(str(value)) for value in span.attributes.values()} == {MAX_VALUE_CHARS}


@given(st.binary(max_size=20), st.binary(max_size=10), st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1))
def test_no_span_breaks_the_others(trace_id: bytes, span_id: bytes, start: int, end: int) -> None:
    strange = _span(trace_id=trace_id, span_id=span_id, start_time_unix_nano=start, end_time_unix_nano=end)
    first, second = read_spans(make_request(strange, _span()))
    is_valid = len(trace_id) == 16 and len(span_id) == 8 and any(trace_id) and any(span_id)
    assert (first is not None) == is_valid
    assert second is not None
    if first:
        assert first.duration_us >= 0
        assert encode_trace([first, second])["spans"]


async def test_what_is_acknowledged_is_stored_and_the_rest_is_counted(tmp_path: Path) -> None:
    store, port = TraceStore(tmp_path / "spans.sqlite"), free_port()
    server = await start_receiver(store, f"127.0.0.1:{port}")
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub: Any = otlp_grpc.TraceServiceStub(channel)  # type: ignore[no-untyped-call]
        answer = await stub.Export(make_request(_span(), _span(span_id=b"short")))
    assert answer.partial_success.rejected_spans == 1
    assert "16 bytes" in answer.partial_success.error_message
    assert [span.span_id for span in store.trace(TRACE)] == [b"12345678".hex()]
    await server.stop(None)
    store.close()
