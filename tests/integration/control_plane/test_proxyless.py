"""Real gRPC channels that find their endpoints through the control plane, with no proxy between."""

import asyncio
import time
from collections import Counter
from typing import Any

import grpc
import pytest
from envoy.service.status.v3 import csds_pb2_grpc
from envoy.service.status.v3.csds_pb2 import ClientStatusRequest, ConfigStatus

from internshipconnect.internship.v1 import internship_pb2 as pb
from internshipconnect.internship.v1.internship_pb2_grpc import InternshipServiceStub
from tests.integration.control_plane.harness import (
    LISTING,
    ControlPlaneHarness,
    EchoInstance,
    wait_for_calls,
    wait_until,
)
from tests.waiting import WAIT_TIMEOUT_S

GET = pb.GetInternshipRequest(internship_id=LISTING)
CREATE = pb.CreateInternshipRequest()


def stub_of(channel: grpc.aio.Channel) -> Any:
    return InternshipServiceStub(channel)


async def _connected(harness: ControlPlaneHarness, region: str = "local") -> grpc.aio.Channel:
    channel = harness.proxyless(region=region)
    await wait_until(lambda: harness.snapshot_cache.snapshots, "the first snapshot")
    await stub_of(channel).GetInternship(GET, timeout=WAIT_TIMEOUT_S, wait_for_ready=True)
    return channel


async def test_a_channel_finds_its_endpoints_and_balances_among_them(harness: ControlPlaneHarness) -> None:
    one, other = await harness.echo(), await harness.echo()
    channel = await _connected(harness)
    await wait_until(lambda: _reaches_both(channel, one, other), "calls to both")


async def _reaches_both(channel: grpc.aio.Channel, one: Any, other: Any) -> bool:
    before = one.calls, other.calls
    for _ in range(4):
        await stub_of(channel).GetInternship(GET, timeout=WAIT_TIMEOUT_S)
    return bool(one.calls > before[0] and other.calls > before[1])


async def test_endpoints_come_and_go_under_load_and_no_call_fails(harness: ControlPlaneHarness) -> None:
    echo = await harness.echo()
    channel = await _connected(harness)
    async with harness.proxyless_load(channel) as load:
        for _ in range(4):
            newer = await harness.echo()
            await wait_for_calls(newer, 20)
            await echo.leave()
            echo = newer
    assert load.failures == []
    assert load.answered > 100


async def test_a_call_that_may_be_repeated_is_and_another_is_not(harness: ControlPlaneHarness) -> None:
    echo = await harness.echo()
    channel = await _connected(harness)
    echo.code = grpc.StatusCode.UNAVAILABLE
    assert await _times_called(echo, stub_of(channel).GetInternship(GET, timeout=WAIT_TIMEOUT_S)) == 3
    assert await _times_called(echo, stub_of(channel).CreateInternship(CREATE, timeout=WAIT_TIMEOUT_S)) == 1


async def _times_called(echo: EchoInstance, failing: Any) -> int:
    before = echo.calls
    with pytest.raises(grpc.aio.AioRpcError):
        await failing
    return echo.calls - before


async def test_a_caller_without_a_deadline_gets_that_of_the_contract(harness: ControlPlaneHarness) -> None:
    echo = await harness.echo()
    channel = await _connected(harness)
    echo.takes_s = 60
    began = time.monotonic()
    assert await _outcome(channel, timeout_s=None) is grpc.StatusCode.DEADLINE_EXCEEDED
    assert 0.8 < time.monotonic() - began < echo.takes_s


async def test_calls_go_on_without_the_control_plane_and_changes_go_on_with_the_next(
    harness: ControlPlaneHarness,
) -> None:
    echo = await harness.echo()
    channel = await _connected(harness)
    async with harness.proxyless_load(channel) as load:
        await harness.stop_control_plane()
        await asyncio.sleep(1)
        await harness.start_control_plane()
        await wait_until(harness.snapshot_cache.streams, "the channel to come back", within_s=60)
        newer = await harness.echo()
        await wait_for_calls(newer, 5)
        await echo.leave()
    assert load.failures == []


async def test_calls_fail_over_to_the_next_region_and_come_back(harness: ControlPlaneHarness) -> None:
    harness.write_mesh(regions=("local", "south"))
    near, far = await harness.echo(), await harness.echo(region="south")
    channel = await _connected(harness)
    async with harness.proxyless_load(channel) as load:
        await wait_for_calls(near, 20)
        assert far.calls == 0
        await near.leave()
        await wait_for_calls(far, 20)
        back = await harness.echo()
        await wait_for_calls(back, 20)
        before = far.calls
        await asyncio.sleep(0.3)
        assert far.calls == before
    assert load.failures == []


async def test_a_channel_of_another_region_prefers_its_own(harness: ControlPlaneHarness) -> None:
    harness.write_mesh(regions=("local", "south"))
    near, far = await harness.echo(), await harness.echo(region="south")
    await wait_until(
        lambda: ("services", "south") in harness.snapshot_cache.snapshots, "snapshots of both regions"
    )
    await asyncio.sleep(0.5)
    channel = await _connected(harness, region="south")
    async with harness.proxyless_load(channel) as load:
        await wait_for_calls(far, 20)
    assert near.calls == 0
    assert load.failures == []


async def test_the_status_shows_that_a_channel_has_everything(harness: ControlPlaneHarness) -> None:
    await harness.echo()
    await _connected(harness)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{harness.ads}") as plane:
        stub = csds_pb2_grpc.ClientStatusDiscoveryServiceStub(plane)

        async def is_synced() -> bool:
            [config] = (await stub.FetchClientStatus(ClientStatusRequest())).config
            states = [entry.config_status for entry in config.generic_xds_configs]
            return len(states) == 4 and set(states) == {ConfigStatus.SYNCED}

        await wait_until(is_synced, "all four kinds to be confirmed")


async def test_a_fault_of_a_service_is_one_of_calls_to_it_and_ends_when_the_file_says_so(
    harness: ControlPlaneHarness,
) -> None:
    echo = await harness.echo()
    channel = await _connected(harness)
    before = echo.calls
    await harness.change_mesh(faults={"internship": {"abort": {"status": "RESOURCE_EXHAUSTED"}}})
    assert await _outcome(channel) is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert echo.calls == before
    await harness.change_mesh(faults={"user": {"abort": {}}})
    assert await _outcome(channel) is grpc.StatusCode.OK
    assert echo.calls == before + 1


async def test_a_share_of_the_calls_is_aborted_and_a_repeat_does_not_hide_it(
    harness: ControlPlaneHarness,
) -> None:
    await harness.echo()
    channel = await _connected(harness)
    await harness.change_mesh(faults={"internship": {"abort": {"percent": 30}}})
    outcomes = Counter([await _outcome(channel) for _ in range(200)])
    assert outcomes.keys() == {grpc.StatusCode.OK, grpc.StatusCode.UNAVAILABLE}
    assert 30 <= outcomes[grpc.StatusCode.UNAVAILABLE] <= 90


async def test_a_delayed_call_is_answered_later_but_not_beyond_its_deadline(
    harness: ControlPlaneHarness,
) -> None:
    await harness.echo()
    channel = await _connected(harness)
    await harness.change_mesh(faults={"internship": {"delay": {"duration_s": 0.5}}})
    began = time.monotonic()
    assert await _outcome(channel) is grpc.StatusCode.OK
    assert time.monotonic() - began >= 0.5
    assert await _outcome(channel, timeout_s=0.2) is grpc.StatusCode.DEADLINE_EXCEEDED


async def _outcome(channel: grpc.aio.Channel, timeout_s: float | None = 5) -> grpc.StatusCode:
    """Return the status of a read; its error would keep the channel and its control plane alive."""
    try:
        await stub_of(channel).GetInternship(GET, timeout=timeout_s)
    except grpc.aio.AioRpcError as error:
        return error.code()
    return grpc.StatusCode.OK
