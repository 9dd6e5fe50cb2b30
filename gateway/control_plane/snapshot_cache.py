"""The newest snapshot of each node group, and the streams that serve them."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from itertools import count

from gateway.control_plane import metrics
from gateway.control_plane.pacing import PacingPolicy, RateGate, StreamAdmission, TooManyStreamsError
from gateway.control_plane.stream import XdsStream
from gateway.xds.nodes import GROUP_NAMES, NodeGroup, XdsNode
from gateway.xds.resource_types import RESOURCE_TYPES_IN_PUSH_ORDER
from gateway.xds.snapshot import Snapshot
from gateway.xds.subsets import NodeRankings


class ServedStream:
    """One stream of the cache: it takes the newest snapshot when it is its turn."""

    def __init__(self, stream: XdsStream, wake: Callable[[], None], policy: PacingPolicy) -> None:
        self.stream = stream
        self._wake = wake
        self._gate = RateGate(policy.pushes_per_node_per_s, policy.push_burst)
        self._rankings = NodeRankings(stream.node.id)
        self._timer: asyncio.TimerHandle | None = None

    def offer(self, snapshot: Snapshot) -> None:
        """Let the stream have this snapshot in place of one that it has not taken yet."""
        self.stream.offer_snapshot(snapshot)
        self._wake()

    def take_offered(self) -> None:
        """Serve the snapshot that was offered last, or see to it later if the node just had some."""
        snapshot = self.stream.offered_snapshot
        if snapshot is None or self._timer is not None:
            return
        wait_s = self._gate.wait_s()
        if wait_s:
            self._timer = asyncio.get_running_loop().call_later(wait_s, self._end_wait)
            metrics.pushes_merged.labels(self.stream.node.group).inc()
            return
        self._gate.take()
        self.stream.set_snapshot(snapshot.for_node(self._rankings))

    def close(self) -> None:
        """End the wait for a turn."""
        if self._timer is not None:
            self._timer.cancel()

    def _end_wait(self) -> None:
        self._timer = None
        self._wake()


class SnapshotCache:
    """Snapshots by node group; wakes the streams of a group when its snapshot changes."""

    def __init__(self, policy: PacingPolicy | None = None) -> None:
        self.published = asyncio.Event()
        """Set once the first snapshots are there."""
        self._policy = policy or PacingPolicy()
        self._admission = StreamAdmission(self._policy)
        self._snapshots: dict[NodeGroup, Snapshot] = {}
        self._regions: tuple[str, ...] = ()
        self._streams: dict[int, ServedStream] = {}
        self._stream_ids = count()

    @property
    def snapshots(self) -> Mapping[NodeGroup, Snapshot]:
        """The snapshots that are served now; empty before the first ones."""
        return self._snapshots

    def set_snapshots(self, snapshots: Mapping[NodeGroup, Snapshot], regions: Sequence[str]) -> None:
        """Serve these from now on; nodes of regions that are not listed get those of the first region."""
        changed = {key for key, one in snapshots.items() if self._snapshots.get(key) != one}
        _export_versions(self._snapshots, snapshots)
        regions_changed = tuple(regions) != self._regions
        self._snapshots, self._regions = dict(snapshots), tuple(regions)
        self.published.set()
        for served in self._streams.values():
            if regions_changed or self._node_group_of(served.stream.node) in changed:
                self._offer_snapshot(served)

    async def admit(self) -> None:
        """Wait until another stream may be served. Raise TooManyStreamsError where none may be soon."""
        if len(self._streams) >= self._policy.max_streams:
            raise TooManyStreamsError(
                f"{self._policy.max_streams} nodes are connected already; try another replica"
            )
        await self._admission.wait()

    def add_stream(
        self, stream: XdsStream, wake: Callable[[], None]
    ) -> tuple[ServedStream, Callable[[], None]]:
        """Serve a stream: call `wake` when it may have a new snapshot. Also return what removes it."""
        stream_id = next(self._stream_ids)
        served = self._streams[stream_id] = ServedStream(stream, wake, self._policy)
        metrics.streams_open.labels(stream.node.group).inc()
        self._offer_snapshot(served)

        def remove() -> None:
            if self._streams.pop(stream_id, None):
                served.close()
                metrics.streams_open.labels(stream.node.group).dec()

        return served, remove

    def streams(self) -> list[XdsStream]:
        """Return all streams in the order in which they opened."""
        return [served.stream for served in self._streams.values()]

    def _offer_snapshot(self, served: ServedStream) -> None:
        snapshot = self._snapshots.get(self._node_group_of(served.stream.node))
        if snapshot is not None:
            served.offer(snapshot)

    def _node_group_of(self, node: XdsNode) -> NodeGroup:
        return node.node_group(self._regions)


def _export_versions(before: Mapping[NodeGroup, Snapshot], after: Mapping[NodeGroup, Snapshot]) -> None:
    for key in before.keys() | after.keys():
        for resource_type in RESOURCE_TYPES_IN_PUSH_ORDER:
            old, new = before.get(key), after.get(key)
            if old is not None:
                metrics.snapshot_info.remove(*key, resource_type.label, old.version(resource_type))
            if new is not None:
                metrics.snapshot_info.labels(*key, resource_type.label, new.version(resource_type)).set(1)


for _group in GROUP_NAMES:
    metrics.streams_open.labels(_group).set(0)
