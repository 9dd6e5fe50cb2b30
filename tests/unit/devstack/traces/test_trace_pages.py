"""The trace store over HTTP: Jaeger's JSON, clear errors, and pages that take what was sent as data."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer

from devstack.traces.page import format_duration, lay_out
from devstack.traces.server import build_app
from devstack.traces.spans import SpanEvent
from devstack.traces.store import TraceStore
from tests.unit.devstack.traces.builders import START_US, TRACE, make_span

HOSTILE = "</script><img src=x onerror=alert(1)>"

Client = TestClient[Any, Any]


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[Client]:
    store = TraceStore(tmp_path / "spans.sqlite")
    first = make_span(1, attributes={"rpc.code": "OK", "tries": 2}, process={"role": "serve"})
    second = make_span(
        2,
        parent_id=first.span_id,
        service=f"user{HOSTILE}",
        name=HOSTILE,
        start_us=START_US + 500,
        duration_us=250,
        is_error=True,
        error=HOSTILE,
        attributes={HOSTILE: HOSTILE},
        events=(SpanEvent(START_US + 600, HOSTILE, {HOSTILE: HOSTILE}),),
    )
    store.add([first, second])
    async with TestClient(TestServer(build_app(store))) as client:
        yield client
    store.close()


async def _data(client: Client, path: str) -> Any:
    answer = await client.get(path)
    assert answer.status == 200, await answer.text()
    body = await answer.json()
    assert body["errors"] is None
    return body["data"]


async def test_a_trace_is_answered_as_jaeger_answers_it(client: Client) -> None:
    (trace,) = await _data(client, f"/api/traces/{TRACE}")
    first, second = trace["spans"]
    assert trace["traceID"] == TRACE
    assert trace["processes"][first["processID"]] == {
        "serviceName": "auth",
        "tags": [{"key": "role", "type": "string", "value": "serve"}],
    }
    assert first["references"] == []
    assert (first["startTime"], first["duration"]) == (START_US, 1_500)
    assert {"key": "tries", "type": "int64", "value": 2} in first["tags"]
    assert {"key": "span.kind", "type": "string", "value": "server"} in first["tags"]
    assert second["references"] == [{"refType": "CHILD_OF", "traceID": TRACE, "spanID": first["spanID"]}]
    assert {"key": "error", "type": "bool", "value": True} in second["tags"]
    assert second["logs"][0]["timestamp"] == START_US + 600


async def test_traces_are_searched_as_jaeger_searches(client: Client) -> None:
    assert (await _data(client, "/api/services"))[0] == "auth"
    assert await _data(client, "/api/services/auth/operations") == ["auth.v1.Auth/Login"]
    assert await _data(client, "/api/operations?service=auth&spanKind=server") == [
        {"name": "auth.v1.Auth/Login", "spanKind": "server"}
    ]
    for query in ("minDuration=1ms", f"start={START_US}&limit=5", 'tags={"rpc.code":"OK"}', f"end={2**61}"):
        assert len(await _data(client, f"/api/traces?service=auth&{query}")) == 1, query
    for query in ("minDuration=1.6ms", "maxDuration=10us", 'tags={"error":"true"}', "operation=none"):
        assert await _data(client, f"/api/traces?service=auth&{query}") == [], query
    assert len(await _data(client, f"/api/traces?traceID={TRACE}")) == 1
    assert len(await _data(client, "/api/dependencies")) == 1


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/api/traces", "service is missing"),
        ("/api/traces?service=a&limit=0", "limit is no number"),
        ("/api/traces?service=a&limit=٣", "limit is no whole number"),
        ("/api/traces?service=a&start=-1", "start is no whole number"),
        ("/api/traces?service=a&start=" + "9" * 400, "start is no whole number"),
        ("/api/traces?service=a&minDuration=fast", "minDuration is no duration"),
        ("/api/traces?service=a&tags=[1]", "tags is no JSON object"),
        ("/api/traces?service=a&tags={", "tags is no JSON object"),
        ("/api/traces/xyz", "up to 32 hexadecimal digits"),
        ("/api/dependencies?endTs=now", "endTs is no whole number"),
    ],
)
async def test_a_wrong_parameter_is_named(client: Client, path: str, words: str) -> None:
    answer = await client.get(path)
    assert answer.status == 400
    (error,) = (await answer.json())["errors"]
    assert words in error["msg"]


async def test_an_unknown_trace_is_not_found(client: Client) -> None:
    answer = await client.get("/api/traces/abc")
    assert answer.status == 404
    page = await client.get("/trace/abc")
    assert page.status == 404
    assert "no such trace" in await page.text()


@pytest.mark.parametrize("path", ["/", f"/trace/{TRACE}", "/?service=%3Cb%3E&operation=%22%3E%3Cb%3E"])
async def test_a_page_shows_what_was_sent_as_text(client: Client, path: str) -> None:
    answer = await client.get(path)
    assert answer.status == 200
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    text = await answer.text()
    assert "<img" not in text
    assert "<b>" not in text.replace("<b>auth</b>", "").replace("<b>user&lt;", "")


async def test_the_search_page_finds_failed_calls_and_says_what_is_wrong(client: Client) -> None:
    assert "1 failed" in await (await client.get("/?errors=1")).text()
    assert "No trace matches" in await (await client.get("/?errors=1&service=auth")).text()
    wrong = await (await client.get("/?minDuration=fast")).text()
    assert "minDuration is no duration" in wrong


def test_each_span_is_below_its_parent_in_the_order_of_time() -> None:
    root = make_span(1, duration_us=1_000)
    late = make_span(2, parent_id=root.span_id, start_us=START_US + 500, duration_us=500)
    early = make_span(3, parent_id=root.span_id, start_us=START_US + 100, duration_us=100)
    inner = make_span(4, parent_id=early.span_id, start_us=START_US + 100, duration_us=0)
    orphan = make_span(5, parent_id="f" * 16, start_us=START_US + 900, duration_us=100)
    spans = sorted((root, late, early, inner, orphan), key=lambda span: span.start_us)
    rows = lay_out(spans)
    assert [(row.span.span_id[-1], row.depth) for row in rows] == [
        ("1", 0),
        ("3", 1),
        ("4", 2),
        ("2", 1),
        ("5", 0),
    ]
    assert [(row.left, row.width) for row in rows] == [
        (0, 100),
        (10, 10),
        (10, 0.3),
        (50, 50),
        (90, 10),
    ]


def test_spans_that_are_each_others_parents_do_not_stop_the_page() -> None:
    first = make_span(1, parent_id=make_span(2).span_id)
    assert lay_out(
        [first, make_span(2, parent_id=first.span_id), make_span(3, parent_id=make_span(3).span_id)]
    )


@pytest.mark.parametrize(
    ("duration_us", "shown"),
    [
        (0, "0 µs"),
        (999, "999 µs"),
        (1_250, "1.25 ms"),
        (123_456, "123 ms"),
        (1_500_000, "1.5 s"),
        (2**62, None),
    ],
)
def test_a_duration_is_shown_with_its_unit(duration_us: int, shown: str | None) -> None:
    text = format_duration(duration_us)
    assert text == shown or (shown is None and text.endswith(" s"))
