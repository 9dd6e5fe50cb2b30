"""Whatever changes and whatever is refused: in the end the node has the last snapshot that it accepted."""

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.xds.resource_types import CLUSTER_TYPE, ENDPOINT_TYPE, LISTENER_TYPE, ROUTE_TYPE, ResourceType
from gateway.xds.snapshot import Snapshot
from tests.unit.gateway.control_plane.samples import (
    SimulatedXdsNode,
    cluster,
    endpoints,
    listener,
    routes,
    versions,
)

NAMES = ("a", "b", "c")


@st.composite
def snapshots(draw: st.DrawFn) -> Snapshot:
    """Draw one or two listeners with routes to some clusters, each with endpoints and settings of its own."""
    names = draw(st.sets(st.sampled_from(NAMES), min_size=1))
    listeners = draw(st.sets(st.sampled_from(("in", "out")), min_size=1))
    return Snapshot.from_messages(
        [
            *(cluster(name, f"{draw(st.integers(1, 2))}s") for name in names),
            *(endpoints(name, draw(st.integers(1, 3))) for name in names),
            *(listener(one, one, draw(st.sampled_from("xy"))) for one in listeners),
            *(routes(one, *draw(st.sets(st.sampled_from(sorted(names)), min_size=1))) for one in listeners),
        ]
    )


@st.composite
def steps(draw: st.DrawFn) -> list[tuple[Snapshot, int]]:
    """Draw snapshots, each with the number of responses that the node takes before the next one."""
    return draw(st.lists(st.tuples(snapshots(), st.integers(0, 6)), min_size=1, max_size=6))


@settings(max_examples=150, deadline=None)
@given(steps(), st.booleans())
def test_a_node_that_accepts_everything_ends_with_the_last_snapshot(
    sequence: list[tuple[Snapshot, int]], delta: bool
) -> None:
    peer = SimulatedXdsNode(delta=delta).subscribe()
    for snapshot, taken in sequence:
        peer.stream.set_snapshot(snapshot)
        for _ in range(taken):
            if (response := peer.take()) is not None:
                peer.apply(response)
                peer.answer(response)
    peer.settle()
    assert peer.has == versions(sequence[-1][0])
    assert all(peer.stream.is_current(subscription) for subscription in peer.stream.subscriptions.values())


@settings(max_examples=150, deadline=None)
@given(steps(), st.data(), st.booleans())
def test_a_node_that_refuses_some_ends_with_the_last_snapshot_when_it_accepts_that(
    sequence: list[tuple[Snapshot, int]], data: st.DataObject, delta: bool
) -> None:
    peer = SimulatedXdsNode(delta=delta, refuses=True).subscribe()
    for snapshot, taken in sequence:
        peer.stream.set_snapshot(snapshot)
        for _ in range(taken):
            if (response := peer.take()) is None:
                continue
            if data.draw(st.booleans()):
                peer.answer(response, nack_reason="no")
            else:
                peer.apply(response)
                peer.answer(response)
    last = Snapshot.from_messages(
        [
            *(cluster(name, "9s") for name in NAMES),
            *(endpoints(name, 9) for name in NAMES),
            listener("last", "last", "z"),
            routes("last", *NAMES),
        ]
    )
    peer.stream.set_snapshot(last)
    peer.settle()
    assert peer.has == versions(last)


@settings(max_examples=100, deadline=None)
@given(
    snapshots(),
    snapshots(),
    st.sampled_from([CLUSTER_TYPE, ENDPOINT_TYPE, LISTENER_TYPE, ROUTE_TYPE]),
    st.booleans(),
)
def test_a_node_that_refuses_one_kind_keeps_that_kind_as_it_was(
    good: Snapshot, bad: Snapshot, resource_type: ResourceType, delta: bool
) -> None:
    peer = SimulatedXdsNode(delta=delta, snapshot=good, refuses=True).subscribe().settle()
    had = {each: dict(own) for each, own in peer.has.items()}
    peer.stream.set_snapshot(bad)
    peer.settle(refuse=[resource_type])
    if peer.stream.subscriptions[resource_type].nack_reason:
        assert peer.has[resource_type].items() <= had[resource_type].items()
