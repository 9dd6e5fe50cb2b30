"""A real Envoy that gets everything from the control plane, in both variants of the protocol."""

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest
from google.api import annotations_pb2
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from prometheus_client import REGISTRY

from gateway.envoy_types import Cluster, Listener, parse_message
from gateway.xds.nodes import GATEWAY_GROUP
from gateway.xds.resource_types import LISTENER_TYPE
from gateway.xds.snapshot import Snapshot
from tests.integration.control_plane.harness import (
    CALLS_THAT_SHOW_A_CHANGE,
    ControlPlaneHarness,
    VariantName,
    wait_for_calls,
    wait_until,
    wait_until_unused,
)

both = pytest.mark.parametrize("variant", ["state of the world", "delta"])


def _nacks(kind: str) -> float:
    return REGISTRY.get_sample_value("xds_nacks_total", {"node_group": "gateway", "type": kind}) or 0


async def _serving(harness: ControlPlaneHarness, variant: VariantName) -> None:
    await harness.envoy(variant)
    await wait_until(harness.gateway_answers, "the gateway to answer")


@both
async def test_envoy_gets_its_first_snapshot_and_serves(
    harness: ControlPlaneHarness, variant: VariantName
) -> None:
    echo = await harness.echo()
    await _serving(harness, variant)
    assert (await harness.ask_gateway()).json()["title"] == echo.title
    assert (await harness.ask_gateway("/api/v1/nowhere")).status_code == 404


@both
async def test_endpoints_come_and_go_under_load_and_no_call_fails(
    harness: ControlPlaneHarness, variant: VariantName
) -> None:
    echo = await harness.echo()
    await _serving(harness, variant)
    async with harness.gateway_load() as load:
        for _ in range(4):
            newer = await harness.echo()
            await wait_for_calls(newer, 20)
            await echo.leave()
            await wait_until_unused(echo, load)
            echo = newer
    assert load.failures == []
    assert load.answered > 100


@both
async def test_an_endpoint_that_died_is_called_no_more(
    harness: ControlPlaneHarness, variant: VariantName
) -> None:
    echo, other = await harness.echo(), await harness.echo()
    await _serving(harness, variant)
    await echo.die()

    async def is_out() -> bool:
        async with harness.gateway_load() as load:
            await wait_until(lambda: load.handled >= CALLS_THAT_SHOW_A_CHANGE)
        return not load.failures and set(load.titles) == {other.title}

    await wait_until(is_out, "only the living endpoint to be called")


@dataclass
class SpoilingSnapshotBuilder:
    """A builder whose snapshots can be spoiled: our own checks pass, Envoy's do not."""

    inner: Any
    spoil: Any = None

    def build(self, *arguments: Any) -> Snapshot:
        built: Snapshot = self.inner.build(*arguments)
        return self.spoil(built) if self.spoil else built


def _without_interval(snapshot: Snapshot) -> Snapshot:
    """Return the snapshot with a cluster whose health check has no interval."""
    odd = {"name": "odd", "connect_timeout": "1s", "type": "STATIC", "health_checks": [{"timeout": "1s"}]}
    return snapshot.with_messages([parse_message(odd, Cluster)])


def _without_filters(snapshot: Snapshot) -> Snapshot:
    """Return the snapshot with an invalid listener."""
    spoilt = Snapshot.from_messages([parse_message({"name": "gateway", "filter_chains": [{}]}, Listener)])
    return Snapshot({**snapshot.resources, LISTENER_TYPE: spoilt.resources_of(LISTENER_TYPE)})


@both
@pytest.mark.parametrize(("spoil", "kind"), [(_without_interval, "cds"), (_without_filters, "lds")])
async def test_a_refused_snapshot_leaves_the_old_one_serving_and_the_next_good_one_is_taken(
    harness: ControlPlaneHarness, variant: VariantName, spoil: Any, kind: str
) -> None:
    spoiling = harness.builders[GATEWAY_GROUP] = SpoilingSnapshotBuilder(harness.builders[GATEWAY_GROUP])
    await harness.echo()
    await _serving(harness, variant)
    before = _nacks(kind)
    async with harness.gateway_load() as load:
        spoiling.spoil = spoil
        harness.reconciler.mark_dirty()
        await wait_until(lambda: _nacks(kind) == before + 1, "the refusal")
        [subscription] = [
            w
            for w in harness.snapshot_cache.streams()[0].subscriptions.values()
            if w.resource_type.label == kind
        ]
        assert subscription.nack_reason
        newer = await harness.echo()
        await wait_until(lambda: newer.calls, "new endpoints to be taken all the same")
        assert _nacks(kind) == before + 1
        spoiling.spoil = None
        harness.reconciler.mark_dirty()
        await wait_until(
            lambda: not subscription.nack_reason and not subscription.unacked, "the next good one"
        )
        await asyncio.sleep(0.3)
    assert load.failures == []


@both
async def test_traffic_goes_on_without_the_control_plane_and_changes_go_on_with_the_next(
    harness: ControlPlaneHarness, variant: VariantName
) -> None:
    echo = await harness.echo()
    await _serving(harness, variant)
    async with harness.gateway_load() as load:
        await harness.stop_control_plane()
        await asyncio.sleep(1)
        assert load.failures == []
        await harness.start_control_plane()
        await wait_until(harness.snapshot_cache.streams, "Envoy to come back")
        newer = await harness.echo()
        await wait_for_calls(newer, 5)
        await echo.leave()
    assert load.failures == []


@both
async def test_a_changed_mesh_file_takes_effect_without_a_failed_call(
    harness: ControlPlaneHarness, variant: VariantName
) -> None:
    await harness.echo()
    await _serving(harness, variant)
    assert (await _max_requests(harness)) == 2000
    async with harness.gateway_load() as load:
        harness.write_mesh(limits={"max_requests": 1234})
        await wait_until(lambda: _has_max_requests(harness, 1234), "the new limit")
        harness.mesh_file.write_text("services: 7")
        await asyncio.sleep(0.5)
        assert await _max_requests(harness) == 1234
        harness.write_mesh(limits={"max_requests": 4321})
        await wait_until(lambda: _has_max_requests(harness, 4321), "the next limit")
        await asyncio.sleep(0.3)
    assert load.failures == []


async def _has_max_requests(harness: ControlPlaneHarness, wanted: int) -> bool:
    return await _max_requests(harness) == wanted


async def _max_requests(harness: ControlPlaneHarness) -> int:
    found = await harness.admin_text("/clusters")
    [line] = [
        one for one in found.splitlines() if one.startswith("internship::default_priority::max_requests::")
    ]
    return int(line.rsplit("::", 1)[1])


@both
async def test_a_new_call_in_the_contracts_is_served_without_a_failed_call(
    harness: ControlPlaneHarness, variant: VariantName
) -> None:
    await harness.echo()
    await _serving(harness, variant)
    assert (await harness.ask_gateway("/api/v1/invented")).status_code == 404
    async with harness.gateway_load() as load:
        harness.descriptors.write_bytes(_with_another_call(harness.descriptors.read_bytes()))
        await wait_until(lambda: _is_served(harness, "/api/v1/invented"), "the new call")
        await asyncio.sleep(0.5)
    assert load.failures == []


async def _is_served(harness: ControlPlaneHarness, path: str) -> bool:
    return (await harness.ask_gateway(path)).status_code == 200


def _with_another_call(descriptors: bytes) -> bytes:
    files = FileDescriptorSet.FromString(descriptors)
    file = next(one for one in files.file if one.name.endswith("internship.proto"))
    calls = file.service[0].method
    invented = calls.add()
    invented.CopyFrom(next(call for call in calls if call.name == "GetInternship"))
    invented.name = "Invented"
    rule = invented.options.Extensions[annotations_pb2.http]
    rule.Clear()
    rule.get = "/api/v1/invented"
    return files.SerializeToString()


@both
async def test_calls_fail_over_to_the_next_region_and_come_back(
    harness: ControlPlaneHarness, variant: VariantName
) -> None:
    harness.write_mesh(regions=("local", "south"))
    near, far = await harness.echo(), await harness.echo(region="south")
    await _serving(harness, variant)
    async with harness.gateway_load() as load:
        await asyncio.sleep(
            0.5
        )  # Until the first health checks, Envoy takes any endpoint for as good as another.
        calls = near.calls, far.calls
        await wait_until(lambda: near.calls > calls[0] + 20, "calls to the near region")
        assert far.calls == calls[1]
        await near.leave()
        await wait_until(lambda: far.calls > calls[1] + 20, "calls to the far region")
        back = await harness.echo()
        await wait_until(lambda: back.calls > 20, "calls to the near region again")
        await wait_until_unused(far, load)
    assert load.failures == []
