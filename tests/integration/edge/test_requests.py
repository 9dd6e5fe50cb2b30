"""How a real Envoy reads what clients send: paths, methods, headers, queries, and their connections."""

import asyncio
import http.client
import json
import secrets
import socket
from typing import Any, Final

import grpc
import httpx
import pytest

from chassis.ids import new_id
from gateway.envoy.edge_config import MAX_BODY_BYTES, EdgeConfig
from gateway.envoy.filters import MAX_HEADER_BYTES
from gateway.envoy.snapshot_builder import GatewaySnapshotBuilder
from gateway.pages.landing_pages import load_page_assets
from gateway.xds.nodes import GATEWAY_GROUP
from internshipconnect.internship.v1 import internship_pb2 as pb
from internshipconnect.internship.v1.internship_pb2_grpc import InternshipServiceStub
from tests.fakes.tokens import access_token
from tests.integration.control_plane.harness import LISTING, PATH, wait_until
from tests.integration.edge.conftest import EdgeHarness, read_head
from tests.otlp import running_otlp_receiver
from tests.waiting import WAIT_TIMEOUT_S

MINE: Final = "/api/v1/companies/me/internships"
SEARCH: Final = "/api/v1/internships"
LOGIN: Final = "/api/v1/auth/login"
SECRET: Final = "hunter2-hunter2"
TOKEN: Final = access_token("usr_1", "COMPANY")


def _reason(answer: httpx.Response) -> str:
    [reason] = [detail["reason"] for detail in answer.json()["details"] if "reason" in detail]
    return str(reason)


async def _open_with_page(edge: EdgeHarness, **settings: Any) -> None:
    page = ("/docs", "text/html", "<p>all calls</p>" * 100)
    listen = ("127.0.0.1", edge.listen)
    edge.builders[GATEWAY_GROUP] = GatewaySnapshotBuilder(
        lambda: EdgeConfig(listen, pages=(page,), **settings)
    )
    await edge.open()


async def test_a_plus_in_a_query_is_a_space_and_an_escaped_one_is_a_plus(edge: EdgeHarness) -> None:
    await edge.open()
    for signed_in in (True, False):
        headers = {"authorization": f"Bearer {TOKEN}"} if signed_in else {}
        for query, wanted in (
            ("field=Data+Science&q=C%2B%2B", ("Data Science", "C++")),
            ("q=a%20b", ("", "a b")),
        ):
            await edge.client.get(f"{SEARCH}?{query}", headers=headers)
            asked = pb.ListInternshipsRequest.FromString(edge.internships.request)
            assert (asked.field, asked.q) == wanted


READABLE: Final = {
    "a kept answer": (PATH, 200),
    "one that nobody has read": (f"/api/v1/internships/{new_id('int')}", 200),
    "a page": ("/docs", 200),
    "health": ("/health", 200),
    "a call without a token": (MINE, 401),
    "an unknown path": ("/api/v1/nowhere", 404),
    "a path that only takes POST": (LOGIN, 405),
    "a wrong parameter": (f"{SEARCH}?colour=1", 400),
    "a wrong value": (f"{SEARCH}?pageSize=many", 400),
    "a service that is not there": ("/api/v1/users/me", 503),
}


async def test_head_is_answered_like_get_without_a_body_and_the_connection_stays_in_step(
    edge: EdgeHarness,
) -> None:
    await _open_with_page(edge)
    await asyncio.to_thread(_read_alternately, edge.listen)


def _read_alternately(port: int) -> None:
    """Send HEAD and GET in turn on one connection: a body after HEAD would be read as the next answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    connection.connect()
    held = connection.sock
    for what, (path, status) in READABLE.items():
        headers = {"authorization": f"Bearer {TOKEN}"} if status == 503 else {}
        for method in ("HEAD", "GET", "HEAD", "HEAD", "GET"):
            connection.request(method, path, headers=headers)
            answer = connection.getresponse()
            content = answer.read()
            assert answer.status == status, (what, method)
            assert bool(content) == (method == "GET"), (what, method)
            assert answer.headers["content-type"], (what, method)
            if method == "GET":
                assert int(answer.headers["content-length"] or len(content)) == len(content)
        assert connection.sock is held, what
    connection.close()


LONG: Final = {"x-long": "a" * MAX_HEADER_BYTES}
ASSET: Final = load_page_assets()[0].path
SIGNED_IN_HEADERS: Final = {"authorization": f"Bearer {TOKEN}"}
HEADS: Final = (
    *((path, {}, 200) for path in ("/docs", "/health", "/app/login", "/app/internships/x", ASSET, PATH)),
    *(
        (path, LONG, 431)
        for path in ("/docs", "/health", "/app/login", PATH, SEARCH, MINE, "/nowhere", LOGIN)
    ),
    *((path, {}, 400) for path in ("/api%2Fv1", "/api%2fv1/internships?q=1", "/health%5C", "/%2F")),
    *((path, {}, 400) for path in (f"{SEARCH}?colour=1", f"{SEARCH}?pageSize=many")),
    *((path, {}, 404) for path in ("/nowhere", "/../x", "/app/nowhere", "/api/v1/nowhere", f"{PATH}/")),
    *((path, {}, 405) for path in (LOGIN, f"{PATH}:publish", "/api/v1/notifications:stream")),
    (MINE, {}, 401),
    (MINE, {"authorization": "Basic x"}, 401),
    ("/api/v1/users/me", SIGNED_IN_HEADERS, 503),
    ("/docs", {"origin": "https://elsewhere.example"}, 200),
)


async def test_no_status_and_no_path_answers_head_with_a_body(edge: EdgeHarness) -> None:
    await _open_with_page(edge)
    # At the same time: Envoy closes the connection of a refused one a second after its answer.
    answers = await asyncio.gather(
        *(asyncio.to_thread(read_head, edge.listen, path, headers) for path, headers, _ in HEADS)
    )
    for (path, headers, status), found in zip(HEADS, answers, strict=True):
        assert found == (status, b""), (path, list(headers))
    too_large = b"x" * (MAX_BODY_BYTES + 1)
    found = await asyncio.to_thread(read_head, edge.listen, MINE, SIGNED_IN_HEADERS, too_large)
    assert found == (413, b"")
    edge.internships.code = grpc.StatusCode.CANCELLED
    assert await asyncio.to_thread(read_head, edge.listen, MINE, SIGNED_IN_HEADERS) == (429, b"")


async def test_a_head_that_is_refused_for_its_headers_keeps_the_connection_in_step(edge: EdgeHarness) -> None:
    await _open_with_page(edge)

    def statuses() -> list[tuple[int, bytes]]:
        connection = http.client.HTTPConnection("127.0.0.1", edge.listen, timeout=WAIT_TIMEOUT_S)
        found = []
        for method, path, headers in (("HEAD", "/health", LONG), ("GET", "/health", {})) * 3:
            connection.request(method, path, headers=headers)
            answer = connection.getresponse()
            found.append((answer.status, answer.read()))
        connection.close()
        return found

    assert await asyncio.to_thread(statuses) == [(431, b""), (200, b'{"status":"ok"}')] * 3


@pytest.mark.parametrize("path", ["/api%2Fv1", "/api/v1/internships%2Fx", "/%5Capi", "/app%2flogin"])
async def test_what_is_wrong_with_a_path_is_said_of_the_path_and_not_of_a_body(
    edge: EdgeHarness, path: str
) -> None:
    await edge.open()
    answer = await edge.client.get(f"{path}?q={SECRET}")
    assert (answer.status_code, _reason(answer)) == (400, "MALFORMED_REQUEST")
    assert answer.json()["message"].startswith("The path cannot be read: ")
    assert "x-ic-refused-request" not in answer.headers


async def test_a_call_that_takes_no_body_gets_no_field_from_one(edge: EdgeHarness) -> None:
    await edge.open()
    for path, headers in ((PATH, {}), (PATH, SIGNED_IN_HEADERS), (SEARCH, {}), (SEARCH, SIGNED_IN_HEADERS)):
        for method in ("GET", "DELETE") if path == PATH else ("GET",):
            edge.internships.request = b""
            body = b'{"internshipId":"int_2","q":"x"}'
            answer = await edge.client.request(method, path, content=body, headers=headers)
            refused = (400, "MALFORMED_REQUEST")
            assert (answer.status_code, _reason(answer)) == refused, (method, path, answer.text)
            assert edge.internships.request == b""


UNREAD_TYPES: Final = (
    "application/grpcx",
    "application/grpc;charset=utf-8",
    "application/grpc-web-json",
    "application/grpc-web+json",
    "APPLICATION/GRPC",
    "application/grpc, application/json",
    "text/plain",
    "application/x-www-form-urlencoded",
)
JSON_TYPES: Final = (
    "application/json",
    "Application/JSON; charset=utf-8",
    "application/merge-patch+json",
    None,
)


async def test_no_content_type_lets_a_write_past_the_checks(edge: EdgeHarness) -> None:
    await edge.open()
    before, other = (edge.internships.calls, edge.auth.calls), new_id("int")
    for content_type in (*UNREAD_TYPES, *JSON_TYPES, "application/grpc", "application/grpc-web+proto"):
        headers = SIGNED_IN_HEADERS | ({"content-type": content_type} if content_type else {})
        for method, path, body in (
            ("POST", f"{LOGIN}?email=sam@example.com&password={SECRET}", b"{}"),
            ("PATCH", f"{PATH}?internshipId={other}", b'{"title":"a"}'),
            ("PATCH", PATH, b'{"colour":"blue"}'),
        ):
            answer = await edge.client.request(method, path, content=body, headers=headers)
            is_refused = 400 <= answer.status_code < 500 or int(answer.headers["grpc-status"]) > 0
            assert is_refused, (content_type, path, answer.text)
    assert (edge.internships.calls, edge.auth.calls) == before


async def test_a_body_is_read_as_json_or_refused_in_words(edge: EdgeHarness) -> None:
    await edge.open()
    for content_type in (*UNREAD_TYPES, *JSON_TYPES):
        headers = SIGNED_IN_HEADERS | ({"content-type": content_type} if content_type else {})
        answer = await edge.client.patch(PATH, content=b'{"title":"a"}', headers=headers)
        if content_type in JSON_TYPES:
            assert answer.status_code == 200, (content_type, answer.text)
            continue
        assert (answer.status_code, _reason(answer)) == (415, "MALFORMED_REQUEST"), content_type
        assert "application/json" in answer.json()["message"]
    several = [
        *SIGNED_IN_HEADERS.items(),
        ("content-type", "application/json"),
        ("content-type", "text/plain"),
    ]
    answer = await edge.client.patch(PATH, content=b'{"title":"a"}', headers=several)
    assert answer.status_code == 415


async def test_a_read_is_the_same_whatever_type_its_absent_body_has(edge: EdgeHarness) -> None:
    await edge.open()
    for content_type in (*UNREAD_TYPES, "application/json"):
        answer = await edge.client.get(PATH, headers={"content-type": content_type})
        assert (answer.status_code, answer.json()["id"]) == (200, LISTING), content_type
        assert answer.headers["x-cache"] in {"HIT", "MISS"}


async def test_head_has_the_headers_of_get_and_304_has_no_body(edge: EdgeHarness) -> None:
    await edge.open()
    get, head = await edge.client.get(PATH), await edge.client.head(PATH)
    own = {"date", "age", "x-request-id", "x-cache", "x-envoy-upstream-service-time", "transfer-encoding"}
    wanted = {name: value for name, value in get.headers.items() if name not in own}
    found = {name: value for name, value in head.headers.items() if name not in own}
    assert found == wanted | (
        {"content-length": found["content-length"]} if "content-length" in found else {}
    )
    assert head.headers["x-cache"] == "HIT"
    unchanged = await edge.client.head(PATH, headers={"if-none-match": get.headers["etag"]})
    assert (unchanged.status_code, unchanged.content) == (304, b"")
    async with httpx.AsyncClient(http1=False, http2=True, base_url=edge.client.base_url) as client:
        assert [(await client.head(PATH)).status_code for _ in range(2)] == [200, 200]
    before = edge.internships.calls
    fresh = f"/api/v1/internships/{new_id('int')}"
    answers = [await edge.client.head(fresh), await edge.client.get(fresh)]
    assert [answer.headers["x-cache"] for answer in answers] == ["MISS", "HIT"]
    assert (answers[0].content, answers[1].json()["id"]) == (b"", LISTING)
    assert edge.internships.calls == before + 1


async def test_a_wrong_method_is_answered_with_the_right_ones(edge: EdgeHarness) -> None:
    await _open_with_page(edge)
    for method, path, allow in (
        ("PUT", PATH, "DELETE, GET, HEAD, PATCH"),
        ("POST", PATH, "DELETE, GET, HEAD, PATCH"),
        ("OPTIONS", SEARCH, "GET, HEAD, POST"),
        ("TRACE", SEARCH, "GET, HEAD, POST"),
        ("GET", LOGIN, "POST"),
        ("HEAD", LOGIN, "POST"),
        ("PUT", f"{PATH}:publish", "POST"),
        ("HEAD", "/api/v1/notifications:stream", "GET"),
        ("POST", "/docs", "GET, HEAD"),
        ("DELETE", "/health", "GET, HEAD"),
    ):
        answer = await edge.client.request(method, path)
        assert (answer.status_code, answer.headers.get("allow")) == (405, allow), (method, path)
        if method != "HEAD":
            assert _reason(answer) == "UNKNOWN_PATH"
            assert answer.json()["message"] == f"This path takes {allow}."


@pytest.mark.parametrize("bytes_", [MAX_HEADER_BYTES, 20_000, 25_000, 40_000, 60_000])
async def test_headers_that_are_too_long_are_always_refused_in_the_same_words(
    edge: EdgeHarness, bytes_: int
) -> None:
    await edge.open()
    before = edge.internships.calls
    for _ in range(3):
        answer = await edge.client.get(
            MINE, headers={"authorization": f"Bearer {TOKEN}", "x-long": "a" * bytes_}
        )
        assert (answer.status_code, _reason(answer)) == (431, "PAYLOAD_TOO_LARGE")
    long = (("authorization", f"Bearer {TOKEN}"), ("x-long", "a" * bytes_))
    async with grpc.aio.insecure_channel(f"127.0.0.1:{edge.listen}") as channel:
        stub: Any = InternshipServiceStub(channel)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.GetInternship(pb.GetInternshipRequest(internship_id=LISTING), timeout=5, metadata=long)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert b"PAYLOAD_TOO_LARGE" in dict(caught.value.trailing_metadata() or ())["grpc-status-details-bin"]
    assert edge.internships.calls == before


async def test_an_http_1_0_client_is_answered_and_its_connection_closed(edge: EdgeHarness) -> None:
    await edge.open()

    def ask() -> bytes:
        with socket.create_connection(("127.0.0.1", edge.listen), timeout=5) as raw:
            raw.sendall(f"GET {PATH} HTTP/1.0\r\n\r\n".encode())
            return b"".join(iter(lambda: raw.recv(65_536), b""))

    head, _, body = (await asyncio.to_thread(ask)).partition(b"\r\n\r\n")
    assert head.split(b" ", 2)[1] == b"200"
    assert b"chunked" not in head.lower()
    assert json.loads(body)["id"] == LISTING


async def test_a_list_of_tags_is_compared_tag_by_tag(edge: EdgeHarness) -> None:
    await edge.open()
    tag = (await edge.client.get(PATH)).headers["etag"]
    for wanted, status in (
        (f'"a", {tag}', 304),
        (tag.removeprefix("W/"), 304),
        ("*", 304),
        (tag.replace("-", "-1", 1), 200),
        (f"{tag[:-1]}", 200),
        (tag.strip('W/"'), 200),
    ):
        assert (await edge.client.get(PATH, headers={"if-none-match": wanted})).status_code == status, wanted


def _log_with(edge: EdgeHarness, line: str) -> str:
    log = (edge.folder / "envoy.log").read_text()
    return log if line in log else ""


async def test_no_query_is_in_the_access_log_or_in_a_span(edge: EdgeHarness) -> None:
    with running_otlp_receiver() as (receiver, port):
        await _open_with_page(edge, otlp=("127.0.0.1", port))
        trace_id = secrets.token_hex(16)
        headers = {
            "traceparent": f"00-{trace_id}-{secrets.token_hex(8)}-01",
            "x-client-trace-id": trace_id,
            "referer": f"https://example.com/?token={SECRET}",
        }
        for method, path in (
            ("POST", f"{LOGIN}?email=sam@example.com&password={SECRET}"),
            ("PATCH", f"{PATH}?access_token={SECRET}"),
            ("GET", f"{PATH}?access_token={SECRET}"),
            ("GET", f"{SEARCH}?q={SECRET}"),
            ("GET", f"/docs?password={SECRET}"),
            ("GET", f"/api/v1/nowhere?password={SECRET}"),
            ("GET", f"/health?password={SECRET}"),
            ("POST", f"/{GATEWAY_GROUP}.x/Y?password={SECRET}"),
        ):
            body: dict[str, str] | None = None if method == "GET" else {}
            await edge.client.request(method, path, headers=headers, json=body)
        await wait_until(lambda: len(receiver.spans) >= 8, "the spans to be exported")
        # Or Envoy would keep its lines for ten seconds.
        await edge.client.post(f"http://127.0.0.1:{edge.admin}/reopen_logs")
        attributes = [str(span.attributes) for _, span in receiver.spans]
    assert any(f"http://127.0.0.1:{edge.listen}{LOGIN}" in each for each in attributes), attributes
    log = await wait_until(lambda: _log_with(edge, f'"path":"{LOGIN}"'), "the lines to be written")
    assert SECRET not in log
    assert not [each for each in attributes if SECRET in each]
    assert not [span.name for _, span in receiver.spans if SECRET in span.name]
