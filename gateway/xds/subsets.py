"""Sub-sets: of a service with many endpoints each node gets a few, and nearly the same ones after a change.

A node ranks endpoints by a hash of itself and the endpoint (rendezvous hashing). So every replica of the
control plane gives a node the same ones, a change of one endpoint changes few nodes by one endpoint each,
and no node's list depends on which other nodes there are.
"""

from array import array
from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from heapq import nsmallest
from itertools import islice
from typing import Final
from weakref import WeakKeyDictionary

from xxhash import xxh3_64_intdigest

from gateway.xds.endpoints import Endpoint
from gateway.xds.load_assignment import build_load_assignment, select_usable_endpoints
from gateway.xds.resource_types import ENDPOINT_TYPE
from gateway.xds.snapshot import XdsResource, hash_content

MAX_CHANGES_KEPT: Final = 4_096
"""A node that has missed more changes ranks all endpoints again."""
_MIN_RESERVE: Final = 8
_Place = tuple[str, str]
"""A region, and a zone of it."""


class EndpointPool:
    """The endpoints of one zone, and their latest changes in order."""

    def __init__(self) -> None:
        self.keys: dict[Endpoint, bytes] = {}
        self.change_count = 0
        self._changes: deque[tuple[Endpoint, bytes, bool]] = deque(maxlen=MAX_CHANGES_KEPT)

    def set_endpoints(self, endpoints: Iterable[Endpoint]) -> None:
        """Replace the endpoints."""
        now = set(endpoints)
        for gone in self.keys.keys() - now:
            self._record(gone, self.keys.pop(gone), False)
        for added in now - self.keys.keys():
            self.keys[added] = f"{added.host}:{added.port}".encode()
            self._record(added, self.keys[added], True)

    def changes_since(self, change_count: int) -> Iterable[tuple[Endpoint, bytes, bool]] | None:
        """Return endpoint, key, and whether it was added, of each change; None where some are forgotten."""
        missed = self.change_count - change_count
        if missed > len(self._changes):
            return None
        return islice(self._changes, len(self._changes) - missed, None)

    def _record(self, endpoint: Endpoint, key: bytes, is_added: bool) -> None:
        self._changes.append((endpoint, key, is_added))
        self.change_count += 1


class NodeRanking:
    """The endpoints of one pool that a node prefers, best first, with a reserve for those that go."""

    def __init__(self, node_id: str) -> None:
        self._seed = xxh3_64_intdigest(node_id.encode())
        self._ranks = array("Q")
        self._endpoints: list[Endpoint] = []
        self._is_complete = False
        self._change_count = -1

    def best(self, pool: EndpointPool, count: int) -> list[Endpoint]:
        """Return the first `count` endpoints of the pool; all of them where it has fewer."""
        capacity = count + max(_MIN_RESERVE, count // 2)
        changes = None if self._change_count < 0 else pool.changes_since(self._change_count)
        if changes is None:
            self._rank_all(pool, capacity)
        else:
            self._apply(changes, capacity)
            if len(self._ranks) < count and not self._is_complete:
                self._rank_all(pool, capacity)
        self._change_count = pool.change_count
        return self._endpoints[:count]

    def _rank_all(self, pool: EndpointPool, capacity: int) -> None:
        seed = self._seed
        ranked = nsmallest(capacity, [(xxh3_64_intdigest(key, seed), one) for one, key in pool.keys.items()])
        self._is_complete = len(pool.keys) <= capacity
        self._ranks = array("Q", [rank for rank, _ in ranked])
        self._endpoints = [one for _, one in ranked]

    def _apply(self, changes: Iterable[tuple[Endpoint, bytes, bool]], capacity: int) -> None:
        ranks, endpoints, seed = self._ranks, self._endpoints, self._seed
        for endpoint, key, is_added in changes:
            rank = xxh3_64_intdigest(key, seed)
            if not self._is_complete and (not ranks or rank > ranks[-1]):
                continue
            place = bisect_left(ranks, rank)
            if is_added:
                ranks.insert(place, rank)
                endpoints.insert(place, endpoint)
            elif place < len(endpoints) and endpoint in endpoints[place : place + 2]:
                place = endpoints.index(endpoint, place)
                del ranks[place], endpoints[place]
        if len(ranks) > capacity:
            del ranks[capacity:], endpoints[capacity:]
            self._is_complete = False


class NodeRankings:
    """The rankings of one node, one for each pool that it has asked for."""

    def __init__(self, node_id: str) -> None:
        self._node_id = node_id
        self._by_pool: WeakKeyDictionary[EndpointPool, NodeRanking] = WeakKeyDictionary()

    def best(self, pool: EndpointPool, count: int) -> list[Endpoint]:
        """Return the `count` endpoints of the pool that the node prefers."""
        ranking = self._by_pool.get(pool)
        if ranking is None:
            ranking = self._by_pool[pool] = NodeRanking(self._node_id)
        return ranking.best(pool, count)


class ServicePools:
    """The usable endpoints of one service by region and zone, and the number that a node gets of each."""

    def __init__(self, service: str) -> None:
        self.service = service
        self.max_endpoints = 0
        self.version = ""
        self._endpoints: tuple[Endpoint, ...] | None = None
        self._pools: dict[_Place, EndpointPool] = {}
        self._counts: dict[_Place, int] = {}

    def set_endpoints(self, endpoints: Sequence[Endpoint], max_endpoints: int) -> None:
        """Replace the endpoints; a node gets at most `max_endpoints` of each region."""
        usable = tuple(select_usable_endpoints(endpoints))
        if usable != self._endpoints:
            self._endpoints = usable
            self.version = hash_content([repr(sorted(usable)).encode()])
            self._fill_pools(usable)
        self.max_endpoints = max_endpoints
        self._counts = _counts_by_place(
            {place: len(pool.keys) for place, pool in self._pools.items()}, max_endpoints
        )

    def select(self, rankings: NodeRankings) -> list[Endpoint]:
        """Return the endpoints of a node."""
        return [
            one
            for place, pool in self._pools.items()
            for one in rankings.best(pool, self._counts.get(place, 0))
        ]

    def _fill_pools(self, usable: Iterable[Endpoint]) -> None:
        by_place: dict[_Place, list[Endpoint]] = {}
        for one in usable:
            by_place.setdefault((one.region, one.zone), []).append(one)
        for place in self._pools.keys() - by_place.keys():
            del self._pools[place]
        for place, members in by_place.items():
            self._pools.setdefault(place, EndpointPool()).set_endpoints(members)


class SubsetAssignment:
    """The load assignment of a service with many endpoints, as the callers of one region get it."""

    def __init__(self, pools: ServicePools, regions: Sequence[str]) -> None:
        self._pools = pools
        self._regions = tuple(regions)
        parts = (pools.version, str(pools.max_endpoints), *self._regions)
        self.version = hash_content(f"{part}\n".encode() for part in parts)
        """A hash of all that the load assignments of nodes are made from."""

    def build(self, rankings: NodeRankings) -> XdsResource:
        """Build the resource of one node."""
        endpoints = self._pools.select(rankings)
        message = build_load_assignment(self._pools.service, self._regions, endpoints)
        return XdsResource.pack(ENDPOINT_TYPE, message)


def count_by_zone(sizes: Mapping[str, int], count: int) -> dict[str, int]:
    """Return how many endpoints of each zone are taken: by its size, and at least one while there are enough.

    `sizes` are the numbers of endpoints, none of them 0. The sum is `count`, or all that there are.
    """
    total = sum(sizes.values())
    if total <= count:
        return dict(sizes)
    by_size = sorted(sizes, key=lambda zone: (-sizes[zone], zone))[:count]
    found = {zone: max(1, sizes[zone] * count // total) for zone in by_size}
    remainders = sorted(by_size, key=lambda zone: (-(sizes[zone] * count % total), zone))
    spare = count - sum(found.values())
    for zone in remainders:
        if spare > 0 and found[zone] < sizes[zone]:
            found[zone] += 1
            spare -= 1
    while spare < 0:
        largest = max(found, key=lambda zone: (found[zone], zone))
        found[largest] -= 1
        spare += 1
    return found


def _counts_by_place(sizes: Mapping[_Place, int], count: int) -> dict[_Place, int]:
    found: dict[_Place, int] = {}
    for region in Counter(region for region, _ in sizes):
        zones = {zone: size for (own, zone), size in sizes.items() if own == region}
        found |= {(region, zone): taken for zone, taken in count_by_zone(zones, count).items()}
    return found
