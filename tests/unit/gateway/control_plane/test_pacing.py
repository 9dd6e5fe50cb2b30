"""How fast nodes are let in and get changes."""

import asyncio

import pytest

from gateway.control_plane.pacing import PacingPolicy, RateGate, StreamAdmission, TooManyStreamsError
from gateway.control_plane.snapshot_cache import SnapshotCache
from gateway.control_plane.stream import XdsStream
from gateway.control_plane.subscription import SotwSubscription
from gateway.xds.nodes import NodeGroup
from gateway.xds.resource_types import ENDPOINT_TYPE
from gateway.xds.snapshot import Snapshot
from tests.unit.gateway.control_plane.samples import NODE, services
from tests.virtual_time import in_virtual_time


class Clock:
    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def test_a_gate_lets_a_burst_pass_and_then_so_many_a_second() -> None:
    clock = Clock()
    gate = RateGate(2, 3, clock)
    assert [gate.take() for _ in range(5)] == [0, 0, 0, 0.5, 1.0]
    clock.now_s += 60
    assert [gate.take() for _ in range(4)] == [0, 0, 0, 0.5]


@in_virtual_time
async def test_nodes_that_connect_at_the_same_time_are_let_in_one_after_the_other() -> None:
    admission = StreamAdmission(PacingPolicy(new_streams_per_s=10, new_stream_burst=5))
    loop = asyncio.get_running_loop()
    began, times = loop.time(), []

    async def connect() -> None:
        await admission.wait()
        times.append(loop.time() - began)

    await asyncio.gather(*(connect() for _ in range(25)))
    assert times[4] == 0
    assert times[-1] == pytest.approx(2.0, abs=0.1)


@in_virtual_time
async def test_a_node_that_would_wait_long_is_refused_and_comes_back_later() -> None:
    admission = StreamAdmission(PacingPolicy(new_streams_per_s=10, new_stream_burst=1))
    waiting = [asyncio.create_task(admission.wait()) for _ in range(300)]
    await asyncio.sleep(0)
    with pytest.raises(TooManyStreamsError, match="try again later"):
        await admission.wait()
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)


def publish(cache: SnapshotCache, snapshot: Snapshot) -> None:
    cache.set_snapshots({NodeGroup("gateway", "local"): snapshot}, ["local"])


@in_virtual_time
async def test_a_node_gets_the_first_changes_at_once_and_later_ones_merged() -> None:
    cache = SnapshotCache(PacingPolicy(pushes_per_node_per_s=1, push_burst=3))
    stream = XdsStream(NODE, SotwSubscription)
    taken: list[str] = []

    def wake() -> None:
        served.take_offered()
        version = stream.target_version(ENDPOINT_TYPE)
        if version and (not taken or taken[-1] != version):
            taken.append(version)

    publish(cache, services(a=1))
    served, remove = cache.add_stream(stream, lambda: None)
    served._wake = wake
    wake()
    for port in range(2, 42):
        publish(cache, services(a=port))
        await asyncio.sleep(0.1)
    assert 5 <= len(taken) <= 8
    await asyncio.sleep(2)
    assert taken[-1] == services(a=41).version(ENDPOINT_TYPE)
    assert stream.offered_snapshot is None
    remove()
