"""The newest snapshot of each node group, and the streams that serve them."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from typing import Final

from gateway.control_plane import metrics
from gateway.control_plane.stream import XdsStream
from gateway.xds.nodes import GROUP_NAMES, NodeGroup, XdsNode
from gateway.xds.resource_types import RESOURCE_TYPES_IN_PUSH_ORDER
from gateway.xds.snapshot import Snapshot

MAX_STREAMS: Final = 20_000


class TooManyStreamsError(Exception):
    """This process serves its maximum of streams already."""


class SnapshotCache:
    """Snapshots by node group; wakes the streams of a group when its snapshot changes."""

    def __init__(self, max_streams: int = MAX_STREAMS) -> None:
        self.published = asyncio.Event()
        """Set once the first snapshots are there."""
        self._max_streams = max_streams
        self._snapshots: dict[NodeGroup, Snapshot] = {}
        self._regions: tuple[str, ...] = ()
        self._streams: dict[int, tuple[XdsStream, Callable[[], None]]] = {}
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
        for stream, wake in self._streams.values():
            if regions_changed or self._node_group_of(stream.node) in changed:
                self._send_snapshot(stream)
                wake()

    def add_stream(self, stream: XdsStream, wake: Callable[[], None]) -> Callable[[], None]:
        """Serve a stream: call `wake` when it has a new snapshot. Return the function that removes it.

        Raises TooManyStreamsError.
        """
        if len(self._streams) >= self._max_streams:
            raise TooManyStreamsError(f"{self._max_streams} nodes are connected already; try another replica")
        stream_id = next(self._stream_ids)
        self._streams[stream_id] = (stream, wake)
        metrics.streams_open.labels(stream.node.group).inc()
        self._send_snapshot(stream)

        def remove() -> None:
            if self._streams.pop(stream_id, None):
                metrics.streams_open.labels(stream.node.group).dec()

        return remove

    def streams(self) -> list[XdsStream]:
        """Return all streams in the order in which they opened."""
        return [stream for stream, _ in self._streams.values()]

    def _send_snapshot(self, stream: XdsStream) -> None:
        snapshot = self._snapshots.get(self._node_group_of(stream.node))
        if snapshot is not None:
            stream.set_snapshot(snapshot)

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
