"""Faults of services at the edge, on a real Envoy: whom they reach, and what clients are answered."""

import time
from collections import Counter

import grpc
import httpx
import pytest

from chassis.ids import new_id
from internshipconnect.internship.v1 import internship_pb2 as pb
from internshipconnect.internship.v1.internship_pb2_grpc import InternshipServiceStub
from tests.fakes.tokens import access_token
from tests.integration.control_plane.harness import LISTING
from tests.integration.edge.conftest import EdgeHarness
from tests.integration.edge.test_edge import _bearer, _reason
from tests.waiting import WAIT_TIMEOUT_S

DEADLINE_S = 1.0
DELAY_S = 55
"""That of reading a listing."""


async def _listing(edge: EdgeHarness, *, signed_in: bool = True) -> httpx.Response:
    """Read a listing that nobody has read before: past the cache when signed in, through it otherwise."""
    headers = _bearer(access_token("usr_1")) if signed_in else {}
    return await edge.client.get(f"/api/v1/internships/{new_id('int')}", headers=headers)


async def test_aborted_calls_never_reach_the_service_and_clients_get_the_contracts_error(
    edge: EdgeHarness,
) -> None:
    await edge.open()
    calls = edge.internships.calls
    await edge.change_mesh(faults={"internship": {"abort": {}}})
    for signed_in in (True, False):
        answer = await _listing(edge, signed_in=signed_in)
        assert (answer.status_code, _reason(answer)) == (503, "UNAVAILABLE")
        assert answer.headers["retry-after"] == "1"
        assert answer.headers["cache-control"] == "no-store"
    assert edge.internships.calls == calls


async def test_a_connection_that_was_open_before_notices_the_fault_and_its_end(edge: EdgeHarness) -> None:
    await edge.open()
    for _ in range(2):
        assert (await _listing(edge)).status_code == 200
        await edge.change_mesh(faults={"internship": {"abort": {}}})
        assert (await _listing(edge)).status_code == 503
        await edge.change_mesh()
    assert (await _listing(edge)).status_code == 200


async def test_the_calls_of_other_services_are_left_alone(edge: EdgeHarness) -> None:
    await edge.open()
    await edge.change_mesh(faults={"user": {"abort": {}}})
    assert (await _listing(edge)).status_code == 200
    assert (await _listing(edge, signed_in=False)).status_code == 200


async def test_a_share_of_the_calls_is_aborted(edge: EdgeHarness) -> None:
    await edge.open()
    await edge.change_mesh(faults={"internship": {"abort": {"percent": 30}}})
    statuses = Counter([(await _listing(edge)).status_code for _ in range(200)])
    assert statuses.keys() == {200, 503}
    assert 30 <= statuses[503] <= 90


async def test_every_status_that_a_fault_may_have_has_a_body_with_a_reason(edge: EdgeHarness) -> None:
    await edge.open()
    for status, told in {
        "DEADLINE_EXCEEDED": (504, "DEADLINE_EXCEEDED"),
        "RESOURCE_EXHAUSTED": (429, "OVERLOADED"),
        "INTERNAL": (500, "INTERNAL"),
        "UNKNOWN": (500, "INTERNAL"),
    }.items():
        await edge.change_mesh(faults={"internship": {"abort": {"status": status}}})
        answer = await _listing(edge)
        assert (answer.status_code, _reason(answer)) == told


async def test_a_grpc_client_gets_a_status_and_no_answer(edge: EdgeHarness) -> None:
    await edge.open()
    await edge.change_mesh(faults={"internship": {"abort": {}}})
    request = pb.GetInternshipRequest(internship_id=LISTING)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{edge.listen}") as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await InternshipServiceStub(channel).GetInternship(request, timeout=WAIT_TIMEOUT_S)
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


async def test_a_delayed_call_is_answered_later(edge: EdgeHarness) -> None:
    await edge.open()
    await edge.change_mesh(faults={"internship": {"delay": {"duration_s": 0.3}}})
    for signed_in in (True, False):
        began = time.monotonic()
        assert (await _listing(edge, signed_in=signed_in)).status_code == 200
        assert time.monotonic() - began >= 0.3


async def test_a_call_that_is_delayed_beyond_its_deadline_ends_in_time(edge: EdgeHarness) -> None:
    await edge.open()
    await edge.change_mesh(faults={"internship": {"delay": {"duration_s": DELAY_S}}})
    for signed_in in (True, False):
        began = time.monotonic()
        answer = await _listing(edge, signed_in=signed_in)
        assert (answer.status_code, _reason(answer)) == (504, "DEADLINE_EXCEEDED")
        assert DEADLINE_S <= time.monotonic() - began < DELAY_S
