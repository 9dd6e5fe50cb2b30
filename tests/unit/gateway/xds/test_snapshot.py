"""A snapshot holds together, and equal content has equal versions."""

import pytest

from gateway.xds.resource_types import CLUSTER_TYPE, ENDPOINT_TYPE, LISTENER_TYPE, ROUTE_TYPE
from gateway.xds.snapshot import InconsistentSnapshotError, Snapshot
from tests.unit.gateway.control_plane.samples import cluster, endpoints, listener, routes, services


def test_equal_content_has_equal_versions_whatever_its_order() -> None:
    one = Snapshot.from_messages([cluster("a"), cluster("b"), endpoints("a", 1), endpoints("b", 2)])
    other = Snapshot.from_messages([endpoints("b", 2), endpoints("a", 1), cluster("b"), cluster("a")])
    assert one == other
    assert one.version(CLUSTER_TYPE) == other.version(CLUSTER_TYPE)


def test_only_the_versions_of_what_changed_change() -> None:
    before, after = services(a=1), services(a=2)
    assert before.version(ENDPOINT_TYPE) != after.version(ENDPOINT_TYPE)
    assert [before.version(resource_type) for resource_type in (CLUSTER_TYPE, LISTENER_TYPE, ROUTE_TYPE)] == [
        after.version(resource_type) for resource_type in (CLUSTER_TYPE, LISTENER_TYPE, ROUTE_TYPE)
    ]


def test_a_whole_snapshot_is_consistent() -> None:
    services(a=1, b=2).check_consistency()


def test_a_cluster_without_a_load_assignment_is_named() -> None:
    with pytest.raises(InconsistentSnapshotError, match="cluster 'a' names load assignment 'a'"):
        Snapshot.from_messages([cluster("a")]).check_consistency()


def test_a_listener_whose_routes_are_missing_is_named() -> None:
    with pytest.raises(InconsistentSnapshotError, match="listener 'in' names route configuration 'nowhere'"):
        Snapshot.from_messages([listener("in", "nowhere")]).check_consistency()


def test_a_route_to_a_cluster_that_is_missing_is_named() -> None:
    broken = Snapshot.from_messages([routes("gateway", "nobody")])
    with pytest.raises(InconsistentSnapshotError, match="configuration 'gateway' names cluster 'nobody'"):
        broken.check_consistency()


def test_two_resources_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="two of the name 'a'"):
        Snapshot.from_messages([cluster("a"), cluster("a", "2s")])


def test_what_is_no_resource_is_refused() -> None:
    with pytest.raises(ValueError, match="no kind of resource"):
        Snapshot.from_messages([cluster("a").eds_cluster_config])
