"""Holds the newest snapshots and wakes the streams of the nodes that they are for."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from typing import Final

from gateway.control_plane import metrics
from gateway.control_plane.stream import XdsStream
from gateway.xds.nodes import GROUP_NAMES, XdsNode
from gateway.xds.resource_types import RESOURCE_TYPES_IN_PUSH_ORDER
from gateway.xds.snapshot import Snapshot

MAX_STREAMS: Final = 20_000

NodeGroup = tuple[str, str]
"""A group of nodes and a region."""


class TooManyStreamsError(Exception):
    """More nodes are connected than this process takes."""


class SnapshotCache:
    """Snapshots by group and region, and the streams that want them."""

    def __init__(self, most_streams: int = MAX_STREAMS) -> None:
        self.published = asyncio.Event()
        """Set once there is something to give out."""
        self._most_streams = most_streams
        self._snapshots: dict[NodeGroup, Snapshot] = {}
        self._regions: tuple[str, ...] = ()
        self._streams: dict[int, tuple[XdsStream, Callable[[], None]]] = {}
        self._keys = count()

    @property
    def snapshots(self) -> Mapping[NodeGroup, Snapshot]:
        """What is given out now; empty before the first is there."""
        return self._snapshots

    def publish(self, snapshots: Mapping[NodeGroup, Snapshot], regions: Sequence[str]) -> None:
        """Gives these out from now on; a node of a region that is not listed gets those of the first."""
        changed = {place for place, one in snapshots.items() if self._snapshots.get(place) != one}
        _export_versions(self._snapshots, snapshots)
        moved = tuple(regions) != self._regions
        self._snapshots, self._regions = dict(snapshots), tuple(regions)
        self.published.set()
        for stream, wake in self._streams.values():
            if moved or self._place_of(stream.node) in changed:
                self._offer(stream)
                wake()

    def join(self, stream: XdsStream, wake: Callable[[], None]) -> Callable[[], None]:
        """Keeps a stream supplied: `wake` is called when it has something new. The answer ends that.

        Raises TooManyStreamsError.
        """
        if len(self._streams) >= self._most_streams:
            raise TooManyStreamsError(
                f"{self._most_streams} nodes are connected already; try another replica"
            )
        key = next(self._keys)
        self._streams[key] = (stream, wake)
        metrics.nodes.labels(stream.node.group).inc()
        self._offer(stream)

        def leave() -> None:
            if self._streams.pop(key, None):
                metrics.nodes.labels(stream.node.group).dec()

        return leave

    def streams(self) -> list[XdsStream]:
        """All of them, as they joined."""
        return [stream for stream, _ in self._streams.values()]

    def _offer(self, stream: XdsStream) -> None:
        snapshot = self._snapshots.get(self._place_of(stream.node))
        if snapshot is not None:
            stream.offer(snapshot)

    def _place_of(self, node: XdsNode) -> NodeGroup:
        if node.region in self._regions or not self._regions:
            return node.group, node.region
        return node.group, self._regions[0]


def _export_versions(before: Mapping[NodeGroup, Snapshot], after: Mapping[NodeGroup, Snapshot]) -> None:
    for group, region in before.keys() | after.keys():
        for kind in RESOURCE_TYPES_IN_PUSH_ORDER:
            old, new = before.get((group, region)), after.get((group, region))
            if old is not None:
                metrics.snapshot_info.remove(group, region, kind.label, old.version(kind))
            if new is not None:
                metrics.snapshot_info.labels(group, region, kind.label, new.version(kind)).set(1)


for _group in GROUP_NAMES:
    metrics.nodes.labels(_group).set(0)
