"""Sub-sets of endpoints: balanced, the same in each replica, and hardly touched by a change."""

import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.envoy_types import ClusterLoadAssignment
from gateway.xds.endpoints import Endpoint
from gateway.xds.subsets import (
    MAX_CHANGES_KEPT,
    NodeRankings,
    ServicePools,
    SubsetAssignment,
    count_by_zone,
)

REGION = "north"


def endpoint(number: int, zone: str = "a", region: str = REGION) -> Endpoint:
    return Endpoint(f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}", 5002, region, zone=zone)


def pools_of(endpoints: list[Endpoint], max_endpoints: int = 20) -> ServicePools:
    pools = ServicePools("user")
    pools.set_endpoints(endpoints, max_endpoints)
    return pools


def subset(pools: ServicePools, node: str) -> set[Endpoint]:
    found = pools.select(NodeRankings(node))
    assert len(found) == len(set(found))
    return set(found)


def test_a_node_gets_as_many_as_it_may_and_others_get_others() -> None:
    pools = pools_of([endpoint(number) for number in range(1_000)], 100)
    subsets = [subset(pools, f"gateway-{number}") for number in range(20)]
    assert {len(each) for each in subsets} == {100}
    assert len(set.union(*subsets)) > 800


def test_each_replica_of_the_control_plane_gives_a_node_the_same() -> None:
    endpoints = [endpoint(number) for number in range(500)]
    shuffled = random.Random(1).sample(endpoints, len(endpoints))
    assert subset(pools_of(endpoints), "gateway-1") == subset(pools_of(shuffled), "gateway-1")


def test_the_callers_of_an_endpoint_are_about_as_many_as_those_of_any_other() -> None:
    endpoints, nodes = [endpoint(number) for number in range(500)], 1_000
    pools = pools_of(endpoints, 100)
    callers = Counter(one for number in range(nodes) for one in subset(pools, f"node-{number}"))
    mean = nodes * 100 / len(endpoints)
    assert set(callers) == set(endpoints)
    # A binomial distribution: five standard deviations are never seen in 500.
    deviation = (mean * (1 - 100 / len(endpoints))) ** 0.5
    assert max(callers.values()) < mean + 5 * deviation
    assert min(callers.values()) > mean - 5 * deviation


def test_the_change_of_one_endpoint_moves_at_most_one_endpoint_of_few_nodes() -> None:
    endpoints = [endpoint(number) for number in range(1_000)]
    before = pools_of(endpoints, 50)
    after = pools_of([*endpoints[1:], endpoint(5_000)], 50)
    moved = [len(subset(after, f"node-{number}") - subset(before, f"node-{number}")) for number in range(400)]
    assert max(moved) <= 2
    assert sum(map(bool, moved)) < 400 * 2 * 50 / 1_000 * 2


def test_a_new_node_changes_nothing_for_those_that_are_there() -> None:
    pools = pools_of([endpoint(number) for number in range(300)])
    before = subset(pools, "node-1")
    subset(pools, "node-2")
    assert subset(pools, "node-1") == before


def test_a_larger_sub_set_holds_the_smaller_one() -> None:
    endpoints = [endpoint(number) for number in range(300)]
    assert subset(pools_of(endpoints, 20), "node-1") <= subset(pools_of(endpoints, 40), "node-1")


def test_every_region_has_a_sub_set_of_its_own() -> None:
    endpoints = [endpoint(number, region=region) for number in range(200) for region in ("north", "south")]
    assert Counter(one.region for one in subset(pools_of(endpoints), "node")) == {"north": 20, "south": 20}


@given(st.dictionaries(st.sampled_from("abcdef"), st.integers(1, 500), min_size=1), st.integers(1, 300))
def test_zones_are_taken_by_their_size(sizes: dict[str, int], count: int) -> None:
    found = count_by_zone(sizes, count)
    total = sum(sizes.values())
    assert sum(found.values()) == min(count, total)
    assert all(1 <= number <= sizes[zone] for zone, number in found.items())
    if count >= len(sizes):
        assert found.keys() == sizes.keys()
    if total > count >= 20 * len(sizes):
        assert all(abs(number - sizes[zone] * count / total) < len(sizes) for zone, number in found.items())


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_ranking_that_follows_changes_is_that_of_a_fresh_start(data: st.DataObject) -> None:
    pools = ServicePools("user")
    nodes = {f"node-{number}": NodeRankings(f"node-{number}") for number in range(4)}
    present: set[int] = set(range(data.draw(st.integers(20, 80))))
    for _ in range(data.draw(st.integers(1, 12))):
        present -= data.draw(st.sets(st.sampled_from(sorted(present)), max_size=20)) if present else set()
        present |= data.draw(st.sets(st.integers(0, 150), max_size=20))
        members = [endpoint(number, "abc"[number % 3]) for number in present]
        pools.set_endpoints(members, 10)
        for node in data.draw(st.sets(st.sampled_from(sorted(nodes)))):
            assert set(pools.select(nodes[node])) == subset(pools_of(members, 10), node)


def test_a_node_that_missed_too_much_is_ranked_again() -> None:
    pools, rankings = ServicePools("user"), NodeRankings("node")
    pools.set_endpoints([endpoint(number) for number in range(100)], 20)
    pools.select(rankings)
    for start in (1_000, 20_000):
        members = [endpoint(number) for number in range(start, start + MAX_CHANGES_KEPT)]
        pools.set_endpoints(members, 20)
    assert set(pools.select(rankings)) == subset(pools_of(members), "node")


def test_endpoints_that_are_draining_are_no_part_of_it() -> None:
    members = [endpoint(number)._replace(draining=number < 50) for number in range(100)]
    assert not any(one.draining for one in subset(pools_of(members), "node"))


def test_the_version_is_that_of_endpoints_size_and_regions() -> None:
    endpoints = [endpoint(number) for number in range(100)]

    def version(members: list[Endpoint], size: int, *regions: str) -> str:
        return SubsetAssignment(pools_of(members, size), regions).version

    same = version(endpoints, 20, "north", "south")
    assert version(endpoints[::-1], 20, "north", "south") == same
    assert version(endpoints[1:], 20, "north", "south") != same
    assert version(endpoints, 21, "north", "south") != same
    assert version(endpoints, 20, "south", "north") != same


@pytest.mark.parametrize(("own", "priorities"), [("north", [0, 0, 1]), ("south", [0, 1, 1])])
def test_the_assignment_has_a_locality_for_each_zone(own: str, priorities: list[int]) -> None:
    members = [endpoint(number, "ab"[number % 2]) for number in range(100)]
    members += [endpoint(number, "c", "south") for number in range(100)]
    regions = (own, *({"north", "south"} - {own}))
    resource = SubsetAssignment(pools_of(members), regions).build(NodeRankings("node"))
    assert resource.body is not None
    found = ClusterLoadAssignment.FromString(resource.body.value)
    assert [each.priority for each in found.endpoints] == priorities
    assert {each.locality.zone: len(each.lb_endpoints) for each in found.endpoints} == {
        "a": 10,
        "b": 10,
        "c": 20,
    }
