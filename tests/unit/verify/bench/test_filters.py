"""A variant lacks its own filters at the edge, and nothing else."""

import pytest
from envoy.extensions.filters.network.http_connection_manager.v3.http_connection_manager_pb2 import (
    HttpConnectionManager,
)

from chassis.contracts import Contracts
from devstack.paths import DESCRIPTORS
from gateway.envoy.listener import EDGE_LISTENER
from gateway.envoy.rate_limits import CALLER_FILTER
from gateway.envoy.routes import ROUTE_CONFIGURATION
from gateway.envoy_types import Listener, RouteConfiguration
from gateway.xds.mesh import Mesh
from gateway.xds.nodes import GATEWAY_GROUP, NodeGroup
from gateway.xds.resource_types import LISTENER_TYPE, RESOURCE_TYPES_IN_PUSH_ORDER, ROUTE_TYPE
from gateway.xds.snapshot import Snapshot
from ops.service_names import SERVICES
from verify.bench.filter_control_plane import FilterPlan, build_variants
from verify.bench.filter_measures import RunPair, combine_pairs, combine_runs
from verify.bench.filter_variants import FILTER_GROUPS, VARIANTS
from verify.bench.samples import LoadSample

ROUTER = "envoy.filters.http.router"
TRANSCODER = "envoy.filters.http.grpc_json_transcoder"


@pytest.fixture(scope="module")
def snapshots() -> dict[str, Snapshot]:
    services = {name: {"port": 5_001, "endpoints": {"registry": True}} for name in SERVICES}
    mesh = Mesh.model_validate({"services": services, "gateway": {"cors_origins": ["*"]}})
    listen = {variant: 9_000 + number for number, variant in enumerate(VARIANTS)}
    plan = FilterPlan("mesh.yaml", 8_000, 8_001, dict.fromkeys(SERVICES, 8_002), listen)
    found = build_variants(plan, mesh, Contracts.from_descriptor_set(DESCRIPTORS.read_bytes()))
    return {variant: found[NodeGroup(GATEWAY_GROUP, variant)] for variant in VARIANTS}


def edge_listener(snapshot: Snapshot) -> Listener:
    listener = Listener()
    body = snapshot.resources_of(LISTENER_TYPE)[EDGE_LISTENER].body
    assert body is not None
    assert body.Unpack(listener)
    return listener


def edge_manager(snapshot: Snapshot) -> HttpConnectionManager:
    manager = HttpConnectionManager()
    assert edge_listener(snapshot).filter_chains[0].filters[0].typed_config.Unpack(manager)
    return manager


def filter_names(snapshot: Snapshot) -> list[str]:
    return [each.name for each in edge_manager(snapshot).http_filters]


@pytest.mark.parametrize("group", [name for name in FILTER_GROUPS if name not in ("quotas", "access-log")])
def test_a_variant_lacks_its_filters_only(snapshots: dict[str, Snapshot], group: str) -> None:
    whole, variant = filter_names(snapshots["all"]), filter_names(snapshots[f"without-{group}"])
    assert set(FILTER_GROUPS[group]) <= set(whole)
    assert variant == [name for name in whole if name not in FILTER_GROUPS[group]]


def test_every_filter_but_transcoder_and_router_is_left_out_once(snapshots: dict[str, Snapshot]) -> None:
    groups = [name for names in FILTER_GROUPS.values() for name in names]
    assert set(filter_names(snapshots["all"])) - set(groups) == {TRANSCODER, ROUTER}
    assert len(set(groups)) == len(groups)


def test_without_quotas_the_caller_is_still_identified(snapshots: dict[str, Snapshot]) -> None:
    def scripts_with_quotas(snapshot: Snapshot) -> list[str]:
        routes = RouteConfiguration()
        body = snapshot.resources_of(ROUTE_TYPE)[ROUTE_CONFIGURATION].body
        assert body is not None
        assert body.Unpack(routes)
        return [name for name in routes.virtual_hosts[0].typed_per_filter_config if name == CALLER_FILTER]

    assert scripts_with_quotas(snapshots["all"]) == [CALLER_FILTER]
    assert scripts_with_quotas(snapshots["without-quotas"]) == []
    assert CALLER_FILTER in filter_names(snapshots["without-quotas"])


def test_without_its_log_the_edge_has_all_filters(snapshots: dict[str, Snapshot]) -> None:
    assert len(edge_manager(snapshots["all"]).access_log) == 3
    assert not edge_manager(snapshots["without-access-log"]).access_log
    assert filter_names(snapshots["without-access-log"]) == filter_names(snapshots["all"])


def test_every_variant_listens_on_its_own_port_and_is_consistent(snapshots: dict[str, Snapshot]) -> None:
    ports = {edge_listener(each).address.socket_address.port_value for each in snapshots.values()}
    assert len(ports) == len(VARIANTS)
    for snapshot in snapshots.values():
        snapshot.check_consistency()


def test_what_stands_behind_the_edge_is_the_same_in_all_variants(snapshots: dict[str, Snapshot]) -> None:
    for kind in RESOURCE_TYPES_IN_PUSH_ORDER:
        names = {frozenset(each.resources_of(kind)) for each in snapshots.values()}
        assert len(names) == 1


def test_the_cpu_of_a_call_is_that_of_the_median_run() -> None:
    runs = [
        LoadSample(1.0, 0.001, [0.1] * 10),
        LoadSample(1.0, 0.004, [0.1] * 20, {"HTTP 503": 1}),
        LoadSample(1.0, 9.0, [0.1] * 10, {"HTTP 503": 2}),
    ]
    found = combine_runs(runs)
    assert (found.window_s, found.successes) == (3.0, 40)
    assert found.cpu_us == pytest.approx(200)
    assert found.failures == {"HTTP 503": 3}


def test_runs_without_one_answer_have_no_cpu() -> None:
    assert combine_runs([LoadSample(1.0, 0.5, [], {"no answer": 3})]).cpu_s == 0


def test_a_variant_is_compared_to_the_run_just_before_as_the_machine_is_slow_at_times() -> None:
    def run(cpu_us: float) -> LoadSample:
        return LoadSample(1.0, cpu_us * 10 / 1e6, [0.1] * 10)

    pairs = [RunPair(run(200), run(180)), RunPair(run(400), run(360)), RunPair(run(300), run(900))]
    found = combine_pairs(pairs, combine_runs([pair.whole for pair in pairs]))
    assert (found.window_s, found.successes) == (3.0, 30)
    assert found.cpu_us == pytest.approx(0.9 * 300)
