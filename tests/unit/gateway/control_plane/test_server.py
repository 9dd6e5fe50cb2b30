"""Whole conversations, over a real channel in one process: how they begin, go on and end."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from envoy.service.discovery.v3 import ads_pb2_grpc
from envoy.service.discovery.v3.discovery_pb2 import DeltaDiscoveryRequest, DiscoveryRequest
from envoy.service.status.v3 import csds_pb2_grpc
from envoy.service.status.v3.csds_pb2 import ClientStatusRequest, ConfigStatus

from gateway.control_plane.pacing import PacingPolicy
from gateway.control_plane.server import build_xds_server
from gateway.control_plane.snapshot_cache import SnapshotCache
from gateway.xds.nodes import NodeGroup
from gateway.xds.resource_types import CLUSTER_TYPE, ENDPOINT_TYPE
from gateway.xds.snapshot import Snapshot
from tests.unit.gateway.control_plane.samples import services
from tests.waiting import WAIT_TIMEOUT_S, wait_until

NODE = {"id": "gateway-1", "cluster": "gateway", "locality": {"region": "local"}}


@pytest.fixture
def snapshot_cache() -> SnapshotCache:
    return SnapshotCache(PacingPolicy(max_streams=3))


@pytest.fixture
async def channel(snapshot_cache: SnapshotCache) -> AsyncIterator[grpc.aio.Channel]:
    server = build_xds_server(snapshot_cache)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield channel
    await server.stop(0)


def publish(snapshot_cache: SnapshotCache, snapshot: Snapshot, *regions: str) -> None:
    all_regions = regions or ("local",)
    snapshot_cache.set_snapshots(
        {NodeGroup("gateway", region): snapshot for region in all_regions}, all_regions
    )


async def refusal(call: Any) -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        async with asyncio.timeout(WAIT_TIMEOUT_S):
            await call.read()
    return caught.value


async def ask(call: Any, **fields: Any) -> Any:
    await call.write(DiscoveryRequest(**fields))
    async with asyncio.timeout(WAIT_TIMEOUT_S):
        return await call.read()


async def test_a_stream_gets_the_snapshot_and_what_changes_after(
    snapshot_cache: SnapshotCache, channel: Any
) -> None:
    publish(snapshot_cache, services(a=1))
    call = ads_pb2_grpc.AggregatedDiscoveryServiceStub(channel).StreamAggregatedResources()
    first = await ask(call, node=NODE, type_url=ENDPOINT_TYPE.type_url, resource_names=["a"])
    assert first.version_info == services(a=1).version(ENDPOINT_TYPE)
    await call.write(
        DiscoveryRequest(type_url=ENDPOINT_TYPE.type_url, resource_names=["a"], response_nonce=first.nonce)
    )
    publish(snapshot_cache, services(a=2))
    async with asyncio.timeout(WAIT_TIMEOUT_S):
        second = await call.read()
    assert second.version_info == services(a=2).version(ENDPOINT_TYPE)
    call.cancel()


async def test_a_delta_stream_gets_the_snapshot(snapshot_cache: SnapshotCache, channel: Any) -> None:
    publish(snapshot_cache, services(a=1))
    call = ads_pb2_grpc.AggregatedDiscoveryServiceStub(channel).DeltaAggregatedResources()
    await call.write(DeltaDiscoveryRequest(node=NODE, type_url=CLUSTER_TYPE.type_url))
    async with asyncio.timeout(WAIT_TIMEOUT_S):
        response = await call.read()
    assert [resource.name for resource in response.resources] == ["a"]
    call.cancel()


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        (DiscoveryRequest(type_url=CLUSTER_TYPE.type_url), "carry the node"),
        (DiscoveryRequest(type_url=CLUSTER_TYPE.type_url, node={"cluster": "gateway"}), "node.id"),
        (
            DiscoveryRequest(type_url=CLUSTER_TYPE.type_url, node={"id": "x", "cluster": "odd"}),
            "node.cluster",
        ),
        (DiscoveryRequest(node=NODE), "type_url"),
        (
            DiscoveryRequest(
                node=NODE, type_url=ENDPOINT_TYPE.type_url, resource_names=map(str, range(20_000))
            ),
            "names",
        ),
    ],
    ids=["no node", "no id", "unknown group", "no type", "too many names"],
)
async def test_a_stream_that_breaks_the_protocol_ends_with_the_reason(
    channel: Any, request_: DiscoveryRequest, reason: str
) -> None:
    call = ads_pb2_grpc.AggregatedDiscoveryServiceStub(channel).StreamAggregatedResources()
    await call.write(request_)
    error = await refusal(call)
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert reason in (error.details() or "")


async def test_more_streams_than_a_process_takes_are_refused(
    snapshot_cache: SnapshotCache, channel: Any
) -> None:
    publish(snapshot_cache, services(a=1))
    stub = ads_pb2_grpc.AggregatedDiscoveryServiceStub(channel)
    calls = [stub.StreamAggregatedResources() for _ in range(3)]
    for call in calls:
        await ask(call, node=NODE, type_url=CLUSTER_TYPE.type_url)
    one_more = stub.StreamAggregatedResources()
    await one_more.write(DiscoveryRequest(node=NODE, type_url=CLUSTER_TYPE.type_url))
    assert (await refusal(one_more)).code() is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_a_node_that_never_reads_does_not_hold_up_another(
    snapshot_cache: SnapshotCache, channel: Any
) -> None:
    publish(snapshot_cache, services(**{f"s{number}": number for number in range(1, 2000)}))
    stub = ads_pb2_grpc.AggregatedDiscoveryServiceStub(channel)
    silent = stub.StreamAggregatedResources()
    await silent.write(DiscoveryRequest(node=NODE, type_url=CLUSTER_TYPE.type_url))
    other = stub.StreamAggregatedResources()
    assert len((await ask(other, node=NODE, type_url=CLUSTER_TYPE.type_url)).resources) == 1999


async def test_a_node_of_an_unknown_region_gets_the_first_regions_snapshot(
    snapshot_cache: SnapshotCache, channel: Any
) -> None:
    publish(snapshot_cache, services(a=1), "north", "south")
    call = ads_pb2_grpc.AggregatedDiscoveryServiceStub(channel).StreamAggregatedResources()
    elsewhere = {**NODE, "locality": {"region": "elsewhere"}}
    assert (await ask(call, node=elsewhere, type_url=CLUSTER_TYPE.type_url)).resources


async def test_the_status_says_what_each_node_has_confirmed(
    snapshot_cache: SnapshotCache, channel: Any
) -> None:
    publish(snapshot_cache, services(a=1))
    call = ads_pb2_grpc.AggregatedDiscoveryServiceStub(channel).StreamAggregatedResources()
    response = await ask(call, node=NODE, type_url=CLUSTER_TYPE.type_url)
    stub = csds_pb2_grpc.ClientStatusDiscoveryServiceStub(channel)

    async def entry() -> Any:
        [config] = (await stub.FetchClientStatus(ClientStatusRequest())).config
        assert (config.node.id, config.node.cluster) == ("gateway-1", "gateway")
        [found] = config.generic_xds_configs
        return found

    assert (await entry()).config_status == ConfigStatus.STALE
    answer = DiscoveryRequest(type_url=CLUSTER_TYPE.type_url, response_nonce=response.nonce)
    await call.write(answer)
    await wait_until(lambda: snapshot_cache.streams()[0].subscriptions[CLUSTER_TYPE].accepted_version != "")
    assert (await entry()).config_status == ConfigStatus.SYNCED
    assert (await entry()).version_info == services(a=1).version(CLUSTER_TYPE)
    publish(snapshot_cache, services(a=1, b=2))
    async with asyncio.timeout(WAIT_TIMEOUT_S):
        newer = await call.read()
    refused = DiscoveryRequest(type_url=CLUSTER_TYPE.type_url, response_nonce=newer.nonce)
    refused.error_detail.message = "cluster b is nonsense"
    await call.write(refused)
    await wait_until(lambda: snapshot_cache.streams()[0].subscriptions[CLUSTER_TYPE].nack_reason != "")
    assert (await entry()).config_status == ConfigStatus.ERROR
    assert (await entry()).error_state.details == "cluster b is nonsense"
    assert (await entry()).version_info == services(a=1).version(CLUSTER_TYPE)


async def test_a_node_that_is_gone_is_forgotten(snapshot_cache: SnapshotCache, channel: Any) -> None:
    publish(snapshot_cache, services(a=1))
    call = ads_pb2_grpc.AggregatedDiscoveryServiceStub(channel).StreamAggregatedResources()
    await ask(call, node=NODE, type_url=CLUSTER_TYPE.type_url)
    assert len(snapshot_cache.streams()) == 1
    call.cancel()
    await wait_until(lambda: not snapshot_cache.streams())
