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

from gateway.control_plane.hub import Hub
from gateway.control_plane.kinds import CLUSTERS, ENDPOINTS
from gateway.control_plane.snapshot import Snapshot
from gateway.control_plane.wire import ads_server
from tests.unit.control_plane.samples import services
from tests.waiting import GENEROUS_S, until

NODE = {"id": "gateway-1", "cluster": "gateway", "locality": {"region": "local"}}


@pytest.fixture
def hub() -> Hub:
    return Hub(most_streams=3)


@pytest.fixture
async def channel(hub: Hub) -> AsyncIterator[grpc.aio.Channel]:
    server = ads_server(hub)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield channel
    await server.stop(0)


def publish(hub: Hub, snapshot: Snapshot, *regions: str) -> None:
    places = regions or ("local",)
    hub.publish({("gateway", region): snapshot for region in places}, places)


async def refusal(call: Any) -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        async with asyncio.timeout(GENEROUS_S):
            await call.read()
    return caught.value


async def ask(call: Any, **fields: Any) -> Any:
    await call.write(DiscoveryRequest(**fields))
    async with asyncio.timeout(GENEROUS_S):
        return await call.read()


async def test_a_stream_gets_the_snapshot_and_what_changes_after(hub: Hub, channel: Any) -> None:
    publish(hub, services(a=1))
    call = ads_pb2_grpc.AggregatedDiscoveryServiceStub(channel).StreamAggregatedResources()
    first = await ask(call, node=NODE, type_url=ENDPOINTS.type_url, resource_names=["a"])
    assert first.version_info == services(a=1).version(ENDPOINTS)
    await call.write(
        DiscoveryRequest(type_url=ENDPOINTS.type_url, resource_names=["a"], response_nonce=first.nonce)
    )
    publish(hub, services(a=2))
    async with asyncio.timeout(GENEROUS_S):
        second = await call.read()
    assert second.version_info == services(a=2).version(ENDPOINTS)
    call.cancel()


async def test_a_delta_stream_gets_the_snapshot(hub: Hub, channel: Any) -> None:
    publish(hub, services(a=1))
    call = ads_pb2_grpc.AggregatedDiscoveryServiceStub(channel).DeltaAggregatedResources()
    await call.write(DeltaDiscoveryRequest(node=NODE, type_url=CLUSTERS.type_url))
    async with asyncio.timeout(GENEROUS_S):
        response = await call.read()
    assert [resource.name for resource in response.resources] == ["a"]
    call.cancel()


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        (DiscoveryRequest(type_url=CLUSTERS.type_url), "carry the node"),
        (DiscoveryRequest(type_url=CLUSTERS.type_url, node={"cluster": "gateway"}), "node.id"),
        (
            DiscoveryRequest(type_url=CLUSTERS.type_url, node={"id": "x", "cluster": "odd"}),
            "node.cluster",
        ),
        (DiscoveryRequest(node=NODE), "type_url"),
        (
            DiscoveryRequest(node=NODE, type_url=ENDPOINTS.type_url, resource_names=map(str, range(20_000))),
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


async def test_more_streams_than_a_process_takes_are_refused(hub: Hub, channel: Any) -> None:
    publish(hub, services(a=1))
    stub = ads_pb2_grpc.AggregatedDiscoveryServiceStub(channel)
    calls = [stub.StreamAggregatedResources() for _ in range(3)]
    for call in calls:
        await ask(call, node=NODE, type_url=CLUSTERS.type_url)
    one_more = stub.StreamAggregatedResources()
    await one_more.write(DiscoveryRequest(node=NODE, type_url=CLUSTERS.type_url))
    assert (await refusal(one_more)).code() is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_a_node_that_never_reads_does_not_hold_up_another(hub: Hub, channel: Any) -> None:
    publish(hub, services(**{f"s{number}": number for number in range(1, 2000)}))
    stub = ads_pb2_grpc.AggregatedDiscoveryServiceStub(channel)
    silent = stub.StreamAggregatedResources()
    await silent.write(DiscoveryRequest(node=NODE, type_url=CLUSTERS.type_url))
    other = stub.StreamAggregatedResources()
    assert len((await ask(other, node=NODE, type_url=CLUSTERS.type_url)).resources) == 1999


async def test_a_node_of_an_unknown_region_gets_the_first_regions_snapshot(hub: Hub, channel: Any) -> None:
    publish(hub, services(a=1), "north", "south")
    call = ads_pb2_grpc.AggregatedDiscoveryServiceStub(channel).StreamAggregatedResources()
    elsewhere = {**NODE, "locality": {"region": "elsewhere"}}
    assert (await ask(call, node=elsewhere, type_url=CLUSTERS.type_url)).resources


async def test_the_status_says_what_each_node_has_confirmed(hub: Hub, channel: Any) -> None:
    publish(hub, services(a=1))
    call = ads_pb2_grpc.AggregatedDiscoveryServiceStub(channel).StreamAggregatedResources()
    response = await ask(call, node=NODE, type_url=CLUSTERS.type_url)
    stub = csds_pb2_grpc.ClientStatusDiscoveryServiceStub(channel)

    async def entry() -> Any:
        [config] = (await stub.FetchClientStatus(ClientStatusRequest())).config
        assert (config.node.id, config.node.cluster) == ("gateway-1", "gateway")
        [found] = config.generic_xds_configs
        return found

    assert (await entry()).config_status == ConfigStatus.STALE
    answer = DiscoveryRequest(type_url=CLUSTERS.type_url, response_nonce=response.nonce)
    await call.write(answer)
    await until(lambda: hub.streams()[0].watches[CLUSTERS].accepted_version != "")
    assert (await entry()).config_status == ConfigStatus.SYNCED
    assert (await entry()).version_info == services(a=1).version(CLUSTERS)
    publish(hub, services(a=1, b=2))
    async with asyncio.timeout(GENEROUS_S):
        newer = await call.read()
    refused = DiscoveryRequest(type_url=CLUSTERS.type_url, response_nonce=newer.nonce)
    refused.error_detail.message = "cluster b is nonsense"
    await call.write(refused)
    await until(lambda: hub.streams()[0].watches[CLUSTERS].refusal != "")
    assert (await entry()).config_status == ConfigStatus.ERROR
    assert (await entry()).error_state.details == "cluster b is nonsense"
    assert (await entry()).version_info == services(a=1).version(CLUSTERS)


async def test_a_node_that_is_gone_is_forgotten(hub: Hub, channel: Any) -> None:
    publish(hub, services(a=1))
    call = ads_pb2_grpc.AggregatedDiscoveryServiceStub(channel).StreamAggregatedResources()
    await ask(call, node=NODE, type_url=CLUSTERS.type_url)
    assert len(hub.streams()) == 1
    call.cancel()
    await until(lambda: not hub.streams())
