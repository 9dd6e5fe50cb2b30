"""What Envoy does of what the contracts declare, on a real one."""

import asyncio
import gzip
import time
from collections.abc import AsyncIterator
from typing import Any

import grpc
import httpx
import jwt
import pytest
from envoy.service.accesslog.v3 import als_pb2
from google.rpc import error_details_pb2, status_pb2

from gateway.ratelimit.view_log import ACCESS_LOG_SERVICE
from internshipconnect.internship.v1 import internship_pb2 as pb
from internshipconnect.internship.v1.internship_pb2_grpc import InternshipServiceStub
from tests.fakes.tokens import USER_KEY, USER_KEY_ID, access_token
from tests.integration.control_plane.harness import LISTING, PATH, wait_until
from tests.integration.edge.conftest import EdgeHarness
from tests.waiting import WAIT_TIMEOUT_S

MINE = "/api/v1/companies/me/internships"


def _reason(answer: httpx.Response) -> str:
    [reason] = [detail["reason"] for detail in answer.json()["details"] if "reason" in detail]
    return str(reason)


def _bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


async def test_a_call_that_needs_a_token_is_refused_without_one_before_it_reaches_a_service(
    edge: EdgeHarness,
) -> None:
    await edge.open()
    before = edge.internships.calls
    answer = await edge.client.get(MINE)
    assert (answer.status_code, _reason(answer)) == (401, "TOKEN_MISSING")
    assert answer.json()["details"][-1]["requestId"] == answer.headers["x-request-id"]
    assert edge.internships.calls == before


async def test_tokens_that_are_not_ours_are_refused_at_the_edge_for_public_calls_too(
    edge: EdgeHarness,
) -> None:
    await edge.open()
    before = edge.internships.calls
    forged = access_token("usr_1")[:-6] + "AAAAAA"
    expired = access_token("usr_1", exp=int(time.time()) - 60)
    unsigned = jwt.encode({"sub": "usr_1", "iss": "internshipconnect"}, "", "none", {"kid": USER_KEY_ID})
    other_issuer = access_token("usr_1", iss="elsewhere")
    other_audience = access_token("usr_1", aud="elsewhere")
    public_key_as_secret = jwt.encode({"sub": "usr_1"}, "guess", "HS256", {"kid": USER_KEY_ID})
    unknown_key = jwt.encode({"sub": "usr_1"}, USER_KEY, "ES256", {"kid": "unknown"})
    reasons = {
        forged: "TOKEN_INVALID",
        expired: "TOKEN_EXPIRED",
        unsigned: "TOKEN_INVALID",
        other_issuer: "TOKEN_INVALID",
        other_audience: "TOKEN_INVALID",
        public_key_as_secret: "TOKEN_INVALID",
        unknown_key: "TOKEN_INVALID",
        "no token at all": "TOKEN_INVALID",
    }
    for path in (PATH, MINE):
        for token, reason in reasons.items():
            answer = await edge.client.get(path, headers=_bearer(token))
            assert answer.status_code in (401, 403), (path, token, answer.text)
            assert _reason(answer) == reason, (path, token, answer.text)
    assert edge.internships.calls == before


async def test_a_good_token_opens_the_way_and_goes_on_to_the_service(edge: EdgeHarness) -> None:
    await edge.open()
    edge.internships.answers["ListMyInternships"] = pb.ListMyInternshipsResponse(
        next_page_token="a"
    ).SerializeToString()
    answer = await edge.client.get(MINE, headers=_bearer(access_token("usr_1", "COMPANY")))
    assert answer.json()["nextPageToken"] == "a"


async def test_a_public_read_is_kept_and_given_again_with_its_age_and_tag(edge: EdgeHarness) -> None:
    await edge.open()
    path = f"{PATH[:-1]}1"
    first, second = [await edge.client.get(path) for _ in range(2)]
    assert (first.headers["x-cache"], second.headers["x-cache"]) == ("MISS", "HIT")
    assert first.json() == second.json()
    assert first.headers["etag"] == second.headers["etag"]
    assert (
        first.headers["cache-control"] == "public, max-age=30, stale-while-revalidate=30, stale-if-error=300"
    )
    assert "age" in second.headers
    assert second.headers["vary"] == "accept-encoding, authorization, origin"


async def test_a_client_that_has_the_current_answer_gets_304(edge: EdgeHarness) -> None:
    await edge.open()
    tag = (await edge.client.get(PATH)).headers["etag"]
    calls = edge.internships.calls
    again = await edge.client.get(PATH, headers={"if-none-match": tag})
    assert (again.status_code, again.content, again.headers["x-cache"]) == (304, b"", "HIT")
    other = await edge.client.get(PATH, headers={"if-none-match": 'W/"another"'})
    assert other.status_code == 200
    assert edge.internships.calls == calls


async def test_signed_in_callers_neither_get_nor_fill_shared_entries(edge: EdgeHarness) -> None:
    await edge.open()
    path, token = f"{PATH[:-1]}2", _bearer(access_token("usr_1"))
    answers = [await edge.client.get(path, headers=token) for _ in range(2)]
    for answer in answers:
        assert answer.status_code == 200
        assert "x-cache" not in answer.headers
        assert answer.headers["cache-control"] == "no-store"
    assert (await edge.client.get(path)).headers["x-cache"] == "MISS"


async def test_a_path_that_only_looks_like_a_public_read_is_the_call_that_it_names(edge: EdgeHarness) -> None:
    await edge.open()
    answer = await edge.client.get("/api/v1/companies/me")
    assert (answer.status_code, _reason(answer)) == (401, "TOKEN_MISSING")


async def test_a_client_cannot_send_its_reads_past_the_cache(edge: EdgeHarness) -> None:
    await edge.open()
    await edge.client.get(PATH)
    again = await edge.client.get(PATH, headers={"cache-control": "no-cache", "pragma": "no-cache"})
    assert again.headers["x-cache"] == "HIT"


async def test_errors_are_not_kept(edge: EdgeHarness) -> None:
    await edge.open()
    path = f"{PATH[:-1]}3"
    edge.internships.code = grpc.StatusCode.NOT_FOUND
    assert (await edge.client.get(path)).status_code == 404
    edge.internships.code = None
    assert (await edge.client.get(path)).status_code == 200


async def test_an_entry_is_fresh_again_after_its_time(edge: EdgeHarness) -> None:
    await edge.open()
    path = "/api/v1/internships?q=fresh"
    edge.internships.answers["ListInternships"] = pb.ListInternshipsResponse(
        next_page_token="a"
    ).SerializeToString()
    assert (await edge.client.get(path)).json()["nextPageToken"] == "a"
    edge.internships.answers["ListInternships"] = pb.ListInternshipsResponse(
        next_page_token="b"
    ).SerializeToString()
    assert (await edge.client.get(path)).json()["nextPageToken"] == "a"
    # Ages are whole seconds.
    await asyncio.sleep(12)
    assert (await edge.client.get(path)).json()["nextPageToken"] == "b"


async def test_queries_are_distinguished_and_unknown_ones_refused_behind_the_cache_too(
    edge: EdgeHarness,
) -> None:
    await edge.open()
    edge.internships.answers["ListInternships"] = pb.ListInternshipsResponse(
        next_page_token="a"
    ).SerializeToString()
    assert (await edge.client.get("/api/v1/internships?q=one")).headers["x-cache"] == "MISS"
    assert (await edge.client.get("/api/v1/internships?q=two")).headers["x-cache"] == "MISS"
    wrong = await edge.client.get("/api/v1/internships?nonsense=1")
    assert (wrong.status_code, _reason(wrong)) == (400, "UNKNOWN_PARAMETER")


async def test_every_answer_carries_security_headers_and_a_request_id(edge: EdgeHarness) -> None:
    await edge.open()
    for path in (PATH, "/api/v1/nowhere", MINE):
        headers = (await edge.client.get(path)).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
        assert headers["x-request-id"]


async def test_pages_of_allowed_origins_may_call_and_others_may_not(edge: EdgeHarness) -> None:
    await edge.open(cors_origins=["https://app.example.com"])
    asking = {"access-control-request-method": "POST", "access-control-request-headers": "authorization"}
    allowed = await edge.client.options(
        "/api/v1/applications", headers={"origin": "https://app.example.com", **asking}
    )
    assert allowed.status_code == 200
    assert allowed.headers["access-control-allow-origin"] == "https://app.example.com"
    assert "idempotency-key" in allowed.headers["access-control-allow-headers"]
    refused = await edge.client.options(
        "/api/v1/applications", headers={"origin": "https://evil.example", **asking}
    )
    assert "access-control-allow-origin" not in refused.headers
    assert (refused.status_code, refused.headers["allow"]) == (405, "GET, HEAD, POST")
    read = await edge.client.get(PATH, headers={"origin": "https://app.example.com"})
    assert read.headers["access-control-allow-origin"] == "https://app.example.com"
    assert "etag" in read.headers["access-control-expose-headers"]


async def test_long_answers_are_compressed_for_those_who_can_read_it(edge: EdgeHarness) -> None:
    await edge.open()
    edge.internships.answers["GetInternship"] = pb.Internship(
        id=LISTING, description="long " * 500
    ).SerializeToString()
    path = f"{PATH[:-1]}4"
    plain = await edge.client.get(path, headers={"accept-encoding": "identity"})
    async with edge.client.stream("GET", path, headers={"accept-encoding": "gzip"}) as packed:
        raw = b"".join([part async for part in packed.aiter_raw()])
    assert packed.headers["content-encoding"] == "gzip"
    assert gzip.decompress(raw) == plain.content
    assert len(raw) < len(plain.content) / 5


async def test_grpc_and_grpc_web_pass_on_the_same_port(edge: EdgeHarness) -> None:
    await edge.open()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{edge.listen}") as channel:
        stub: Any = InternshipServiceStub(channel)
        answer = await stub.GetInternship(
            pb.GetInternshipRequest(internship_id=LISTING), timeout=WAIT_TIMEOUT_S
        )
        assert answer.title == edge.internships.title
    message = pb.GetInternshipRequest(internship_id=LISTING).SerializeToString()
    web = await edge.client.post(
        "/internshipconnect.internship.v1.InternshipService/GetInternship",
        content=b"\x00" + len(message).to_bytes(4, "big") + message,
        headers={"content-type": "application/grpc-web+proto", "x-grpc-web": "1"},
    )
    assert web.headers["content-type"] == "application/grpc-web+proto"
    assert (
        pb.Internship.FromString(web.content[5 : 5 + int.from_bytes(web.content[1:5], "big")]).id == LISTING
    )
    assert b"grpc-status:0" in web.content


async def test_anonymous_readers_are_logged_where_nothing_is_limited(edge: EdgeHarness) -> None:
    paths: list[str] = []

    async def count(messages: AsyncIterator[bytes], _context: Any) -> bytes:
        async for raw in messages:
            entries = als_pb2.StreamAccessLogsMessage.FromString(raw).http_logs.log_entry
            paths.extend(each.request.original_path or each.request.path for each in entries)
        return b""

    counter = grpc.aio.server()
    handler: Any = grpc.stream_unary_rpc_method_handler(count)
    method_handlers = {"StreamAccessLogs": handler}
    counter.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler(ACCESS_LOG_SERVICE, method_handlers),)
    )
    port = counter.add_insecure_port("127.0.0.1:0")
    await counter.start()
    await edge.open(view_log=f"127.0.0.1:{port}")
    before = len(paths)
    for _ in range(2):
        await edge.client.get(PATH)
    await edge.client.head(PATH)
    await edge.client.get(PATH, headers=_bearer(access_token("usr_1")))
    await wait_until(lambda: paths[before:].count(PATH) == 2, "both reads to be logged")
    await counter.stop(0)


async def test_a_service_that_does_not_answer_is_given_up_when_its_time_is_over(edge: EdgeHarness) -> None:
    await edge.open()
    edge.internships.takes_s = 60.0
    began = time.monotonic()
    answer = await edge.client.get(PATH, headers=_bearer(access_token("usr_1")))
    assert (answer.status_code, _reason(answer)) == (504, "DEADLINE_EXCEEDED")
    assert 1.0 < time.monotonic() - began < edge.internships.takes_s


async def test_a_service_gets_the_deadline_that_a_call_was_sent_with(edge: EdgeHarness) -> None:
    await edge.open()
    made_up = {"x-ic-timeout-ms": "1", "grpc-timeout": "1m", **_bearer(access_token("usr_1"))}
    assert (await edge.client.get(PATH, headers=made_up)).status_code == 200
    assert edge.internships.metadata["x-ic-timeout-ms"] == "1125"
    assert 0.5 < edge.internships.time_left_s <= 1.125


async def test_a_call_beyond_a_services_capacity_gets_a_retry_time(edge: EdgeHarness) -> None:
    await edge.open()
    edge.internships.code = grpc.StatusCode.CANCELLED
    answer = await edge.client.get(PATH, headers=_bearer(access_token("usr_1")))
    assert (answer.status_code, _reason(answer)) == (429, "OVERLOADED")
    assert int(answer.headers["retry-after"]) >= 1


async def test_what_envoy_itself_answers_reaches_grpc_clients_with_its_reason(edge: EdgeHarness) -> None:
    await edge.open()
    forged = (("authorization", "Bearer forged"),)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{edge.listen}") as channel:
        stub: Any = InternshipServiceStub(channel)
        missing = await _refusal(
            stub.ListMyInternships(pb.ListMyInternshipsRequest(), timeout=WAIT_TIMEOUT_S)
        )
        invalid = await _refusal(
            stub.GetInternship(
                pb.GetInternshipRequest(internship_id=LISTING), timeout=WAIT_TIMEOUT_S, metadata=forged
            )
        )
        nowhere: Any = channel.unary_unary("/internshipconnect.internship.v1.InternshipService/No")
        unknown = await _refusal(nowhere(b""))
    assert missing == (grpc.StatusCode.UNAUTHENTICATED, "TOKEN_MISSING")
    assert invalid == (grpc.StatusCode.UNAUTHENTICATED, "TOKEN_INVALID")
    assert unknown == (grpc.StatusCode.UNIMPLEMENTED, "UNKNOWN_METHOD")


async def _refusal(call: Any) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    metadata = dict(caught.value.trailing_metadata() or ())
    status = status_pb2.Status.FromString(metadata["grpc-status-details-bin"])
    assert (status.code, status.message) == (caught.value.code().value[0], caught.value.details())
    info, *others = status.details
    reason = error_details_pb2.ErrorInfo()
    assert info.Unpack(reason)
    assert reason.domain == "internshipconnect"
    assert any(each.Is(error_details_pb2.RequestInfo.DESCRIPTOR) for each in others)
    return caught.value.code(), reason.reason
