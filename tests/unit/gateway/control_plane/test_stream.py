"""The protocol with one node, in both variants."""

import pytest
from prometheus_client import REGISTRY

from gateway.control_plane.subscription import MAX_NAMES, SubscriptionState, XdsRequest
from gateway.xds.nodes import XdsProtocolError
from gateway.xds.resource_types import CLUSTER_TYPE, ENDPOINT_TYPE, LISTENER_TYPE, ROUTE_TYPE
from gateway.xds.snapshot import Snapshot
from tests.unit.gateway.control_plane.samples import (
    SimulatedXdsNode,
    cluster,
    endpoints,
    listener,
    routes,
    services,
    versions,
)

both = pytest.mark.parametrize("delta", [False, True], ids=["state of the world", "delta"])


def _nacks(resource_type: str) -> float:
    return REGISTRY.get_sample_value("xds_nacks_total", {"node_group": "gateway", "type": resource_type}) or 0


@both
def test_a_node_gets_clusters_then_endpoints_then_listeners_then_routes(delta: bool) -> None:
    snapshot = services(a=1, b=2)
    peer = SimulatedXdsNode(delta=delta, snapshot=snapshot).subscribe().settle()
    assert peer.log == ["cds", "eds", "lds", "rds"]
    assert peer.has == versions(snapshot)


@both
def test_listeners_and_routes_wait_until_the_clusters_are_confirmed(delta: bool) -> None:
    peer = SimulatedXdsNode(delta=delta, snapshot=services(a=1)).subscribe()
    response = peer.take()
    assert response is not None and response.resource_type is CLUSTER_TYPE
    assert peer.take() is None
    peer.apply(response)
    peer.answer(response)
    assert peer.settle().log[-2:] == ["lds", "rds"]


@both
def test_nothing_is_sent_before_there_is_a_snapshot(delta: bool) -> None:
    peer = SimulatedXdsNode(delta=delta).subscribe()
    assert peer.take() is None
    peer.stream.set_snapshot(services(a=1))
    assert peer.settle().log


@both
def test_what_is_confirmed_is_not_sent_again(delta: bool) -> None:
    peer = SimulatedXdsNode(delta=delta, snapshot=services(a=1)).subscribe().settle()
    peer.stream.set_snapshot(services(a=1))
    assert peer.take() is None


@both
def test_changed_endpoints_are_all_that_is_sent(delta: bool) -> None:
    peer = SimulatedXdsNode(delta=delta, snapshot=services(a=1, b=2)).subscribe().settle()
    peer.log.clear()
    peer.stream.set_snapshot(services(a=9, b=2))
    assert peer.settle().log == ["eds"]
    names = [one.name for one in peer.responses[-1].resources]
    assert names == (["a"] if delta else ["a", "b"])


@both
def test_a_changed_cluster_brings_its_unchanged_endpoints_along(delta: bool) -> None:
    peer = SimulatedXdsNode(delta=delta, snapshot=services(a=1, b=2)).subscribe().settle()
    peer.log.clear()
    changed = [cluster("a", "2s"), cluster("b"), endpoints("a", 1), endpoints("b", 2)]
    peer.stream.set_snapshot(
        Snapshot.from_messages([*changed, listener("gateway", "gateway"), routes("gateway", "a", "b")])
    )
    assert peer.settle().log == ["cds", "eds"]
    assert "a" in [one.name for one in peer.responses[-1].resources]


@both
def test_a_changed_listener_brings_its_unchanged_routes_along(delta: bool) -> None:
    peer = SimulatedXdsNode(delta=delta, snapshot=services(a=1)).subscribe().settle()
    peer.log.clear()
    changed = listener("gateway", "gateway", stat_prefix="other")
    peer.stream.set_snapshot(
        Snapshot.from_messages([cluster("a"), endpoints("a", 1), changed, routes("gateway", "a")])
    )
    assert peer.settle().log == ["lds", "rds"]


@both
def test_a_cluster_goes_only_after_the_routes_that_name_it(delta: bool) -> None:
    peer = SimulatedXdsNode(delta=delta, snapshot=services(a=1, b=2)).subscribe().settle()
    peer.log.clear()
    after = services(a=1)
    peer.stream.set_snapshot(after)
    assert peer.settle().log[:2] == ["rds", "cds"]
    assert peer.has == versions(after)


@both
def test_a_new_cluster_comes_before_and_an_old_one_goes_after_the_routes(delta: bool) -> None:
    peer = SimulatedXdsNode(delta=delta, snapshot=services(old=1)).subscribe().settle()
    peer.log.clear()
    after = services(new=2)
    peer.stream.set_snapshot(after)
    peer.settle()
    first, last = peer.log.index("cds"), len(peer.log) - 1 - peer.log[::-1].index("cds")
    assert first < peer.log.index("rds") < last
    assert peer.has == versions(after)


@both
def test_a_removed_listener_goes(delta: bool) -> None:
    both_listeners = [
        listener("in", "r"),
        listener("out", "r"),
        routes("r", "a"),
        cluster("a"),
        endpoints("a", 1),
    ]
    peer = SimulatedXdsNode(delta=delta, snapshot=Snapshot.from_messages(both_listeners)).subscribe().settle()
    peer.stream.set_snapshot(Snapshot.from_messages(both_listeners[1:]))
    assert set(peer.settle().has[LISTENER_TYPE]) == {"out"}
    peer.stream.set_snapshot(Snapshot.from_messages(both_listeners[2:]))
    assert set(peer.settle().has[LISTENER_TYPE]) == set()


@both
def test_a_refused_version_is_counted_and_not_sent_again_and_the_next_one_is(delta: bool) -> None:
    good, bad, better = services(a=1), services(a=1, b=2), services(a=1, b=2, c=3)
    peer = SimulatedXdsNode(delta=delta, snapshot=good).subscribe().settle()
    before = _nacks("cds")
    peer.stream.set_snapshot(bad)
    peer.settle(refuse=[CLUSTER_TYPE])
    assert _nacks("cds") == before + 1
    assert peer.stream.subscriptions[CLUSTER_TYPE].state is SubscriptionState.ERROR
    assert peer.stream.subscriptions[CLUSTER_TYPE].nack_reason == "does not work"
    peer.stream.set_snapshot(services(a=1, b=2))
    assert peer.take() is None
    peer.stream.set_snapshot(better)
    assert peer.settle().has == versions(better)
    assert peer.stream.subscriptions[CLUSTER_TYPE].state is SubscriptionState.SYNCED


@both
def test_a_push_goes_no_further_than_where_it_was_refused(delta: bool) -> None:
    peer = SimulatedXdsNode(delta=delta, snapshot=services(a=1)).subscribe().settle()
    had = dict(peer.has[ROUTE_TYPE])
    peer.stream.set_snapshot(services(a=1, b=2))
    peer.settle(refuse=[CLUSTER_TYPE])
    assert peer.has[ROUTE_TYPE] == had


@both
def test_endpoints_still_change_while_clusters_are_refused(delta: bool) -> None:
    peer = SimulatedXdsNode(delta=delta, snapshot=services(a=1)).subscribe().settle()
    peer.stream.set_snapshot(services(a=1, b=2))
    peer.settle(refuse=[CLUSTER_TYPE])
    newer = services(a=9, b=2)
    peer.stream.set_snapshot(newer)
    peer.settle(refuse=[CLUSTER_TYPE])
    assert peer.has[ENDPOINT_TYPE]["a"] == versions(newer)[ENDPOINT_TYPE]["a"]


@both
def test_going_back_to_what_worked_is_sent_and_to_what_was_refused_is_not(delta: bool) -> None:
    good, bad = services(a=1), services(a=1, b=2)
    peer = SimulatedXdsNode(delta=delta, snapshot=good).subscribe().settle()
    peer.stream.set_snapshot(bad)
    peer.settle(refuse=[CLUSTER_TYPE])
    peer.log.clear()
    peer.stream.set_snapshot(good)
    assert "cds" in peer.settle().log
    peer.log.clear()
    peer.stream.set_snapshot(bad)
    assert "cds" not in peer.settle().log
    assert peer.stream.subscriptions[CLUSTER_TYPE].state is SubscriptionState.ERROR


@both
def test_at_most_one_response_of_a_kind_is_outstanding_and_the_newest_follows(delta: bool) -> None:
    peer = SimulatedXdsNode(delta=delta, snapshot=services(a=1)).subscribe().settle()
    peer.stream.set_snapshot(services(a=2))
    unacked = peer.take()
    for port in range(3, 30):
        peer.stream.set_snapshot(services(a=port))
        assert peer.take() is None
    assert unacked is not None
    peer.log.clear()
    peer.apply(unacked)
    peer.answer(unacked)
    assert peer.settle().log == ["eds"]
    assert peer.has == versions(services(a=29))


def test_a_stale_nonce_is_ignored_in_the_state_of_the_world() -> None:
    peer = SimulatedXdsNode(delta=False, snapshot=services(a=1)).subscribe(CLUSTER_TYPE)
    response = peer.take()
    assert response is not None
    peer.stream.receive(XdsRequest(CLUSTER_TYPE.type_url, "of long ago", nack_reason="of long ago"))
    assert peer.stream.subscriptions[CLUSTER_TYPE].state is SubscriptionState.STALE
    peer.answer(response)
    assert peer.stream.subscriptions[CLUSTER_TYPE].state is SubscriptionState.SYNCED


def test_a_named_subscription_gets_what_it_names_only() -> None:
    peer = SimulatedXdsNode(delta=False, snapshot=services(a=1, b=2))
    peer.ask_for(CLUSTER_TYPE, "b")
    response = peer.take()
    assert response is not None and [one.name for one in response.resources] == ["b"]


def test_a_star_is_a_subscription_to_everything() -> None:
    peer = SimulatedXdsNode(delta=False, snapshot=services(a=1, b=2))
    peer.ask_for(CLUSTER_TYPE, "*", "a")
    response = peer.take()
    assert response is not None and {one.name for one in response.resources} == {"a", "b"}


def test_a_name_more_is_answered_and_a_name_less_is_not() -> None:
    peer = SimulatedXdsNode(delta=False, snapshot=services(a=1, b=2))
    peer.ask_for(ENDPOINT_TYPE, "a")
    first = peer.take()
    assert first is not None
    peer.stream.receive(XdsRequest(ENDPOINT_TYPE.type_url, first.nonce, ("a", "b")))
    second = peer.take()
    assert second is not None and {one.name for one in second.resources} == {"a", "b"}
    peer.stream.receive(XdsRequest(ENDPOINT_TYPE.type_url, second.nonce, ("b",)))
    assert peer.take() is None


def test_no_names_after_names_end_a_subscription() -> None:
    peer = SimulatedXdsNode(delta=False, snapshot=services(a=1))
    peer.ask_for(CLUSTER_TYPE, "a")
    response = peer.take()
    assert response is not None
    peer.stream.receive(XdsRequest(CLUSTER_TYPE.type_url, response.nonce, ()))
    peer.stream.set_snapshot(services(a=1, b=2))
    last = peer.take()
    assert last is None or not last.resources


def test_a_listener_that_does_not_exist_is_answered_with_none() -> None:
    peer = SimulatedXdsNode(delta=False, snapshot=services(a=1))
    peer.ask_for(LISTENER_TYPE, "nobody")
    response = peer.take()
    assert response is not None and response.resources == ()


def test_a_delta_subscription_to_a_missing_resource_gets_its_removal() -> None:
    peer = SimulatedXdsNode(delta=True, snapshot=services(a=1))
    peer.ask_for(ENDPOINT_TYPE, "a", "nobody")
    response = peer.take()
    assert response is not None
    assert [one.name for one in response.resources] == ["a"]
    assert response.removed == ("nobody",)


def test_subscribing_again_in_delta_is_answered_again() -> None:
    peer = SimulatedXdsNode(delta=True, snapshot=services(a=1))
    peer.ask_for(ENDPOINT_TYPE, "a")
    response = peer.take()
    assert response is not None
    peer.answer(response)
    assert peer.take() is None
    peer.ask_for(ENDPOINT_TYPE, "a")
    again = peer.take()
    assert again is not None and [one.name for one in again.resources] == ["a"]


def test_an_unsubscribed_name_is_not_sent_in_delta() -> None:
    peer = SimulatedXdsNode(delta=True, snapshot=services(a=1, b=2))
    peer.ask_for(ENDPOINT_TYPE, "a", "b")
    response = peer.take()
    assert response is not None
    peer.stream.receive(XdsRequest(ENDPOINT_TYPE.type_url, response.nonce, unsubscribed=("b",)))
    peer.stream.set_snapshot(services(a=1, b=9))
    assert peer.take() is None


def test_a_node_that_comes_back_in_delta_gets_only_what_changed_since() -> None:
    before, after = services(a=1, b=2), services(a=1, b=9)
    peer = SimulatedXdsNode(delta=True, snapshot=after)
    peer.ask_for(ENDPOINT_TYPE, "a", "b", initial_versions=versions(before)[ENDPOINT_TYPE])
    response = peer.take()
    assert response is not None and [one.name for one in response.resources] == ["b"]


def test_a_node_that_comes_back_in_delta_with_everything_gets_nothing() -> None:
    snapshot = services(a=1, b=2)
    peer = SimulatedXdsNode(delta=True, snapshot=snapshot)
    for resource_type, initial_versions in versions(snapshot).items():
        names = () if resource_type.requires_full_state else tuple(initial_versions)
        peer.ask_for(resource_type, *names, initial_versions=initial_versions)
    assert peer.take() is None
    assert all(peer.stream.is_current(subscription) for subscription in peer.stream.subscriptions.values())


def test_a_node_that_comes_back_in_delta_gets_the_removed_names() -> None:
    peer = SimulatedXdsNode(delta=True, snapshot=services(a=1))
    peer.ask_for(CLUSTER_TYPE, initial_versions=versions(services(a=1, b=2))[CLUSTER_TYPE])
    response = peer.take()
    assert response is not None and response.removed == ("b",)


@both
def test_an_unknown_type_is_answered_with_nothing(delta: bool) -> None:
    peer = SimulatedXdsNode(delta=delta, snapshot=services(a=1))
    peer.stream.receive(XdsRequest("type.googleapis.com/envoy.Invented"))
    assert peer.take() is None


@both
def test_a_request_without_a_type_breaks_the_protocol(delta: bool) -> None:
    with pytest.raises(XdsProtocolError, match="type_url"):
        SimulatedXdsNode(delta=delta).stream.receive(XdsRequest(""))


@both
def test_more_names_than_anybody_needs_break_the_protocol(delta: bool) -> None:
    names = tuple(f"n{number}" for number in range(MAX_NAMES + 1))
    with pytest.raises(XdsProtocolError, match="names"):
        SimulatedXdsNode(delta=delta).stream.receive(XdsRequest(ENDPOINT_TYPE.type_url, names=names))
    with pytest.raises(XdsProtocolError, match="characters"):
        SimulatedXdsNode(delta=delta).stream.receive(XdsRequest(ENDPOINT_TYPE.type_url, names=("x" * 1000,)))


@both
def test_a_status_is_current_when_everything_is_confirmed(delta: bool) -> None:
    peer = SimulatedXdsNode(delta=delta, snapshot=services(a=1)).subscribe().settle()
    assert all(peer.stream.is_current(subscription) for subscription in peer.stream.subscriptions.values())
    peer.stream.set_snapshot(services(a=2))
    assert not peer.stream.is_current(peer.stream.subscriptions[ENDPOINT_TYPE])
    assert peer.stream.is_current(peer.stream.subscriptions[CLUSTER_TYPE])
