"""What a plan promises: enough of everything, and no more than the rules ask for."""

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ops.capacity.capacity_plan import PlanError
from ops.capacity.demand import build_paths, demand_cores, kind_rates
from ops.capacity.planner import make_plan, pod_request, size_component
from ops.capacity.stores import growth_factor
from ops.provision import declared_collections
from ops.service_names import SERVICES
from tests.unit.ops.capacity.plans import USERS, asked, committed_tables, planned, with_sizing

NOT_PLANNED = {
    "auth.signing_keys": "a handful",
    "auth.sealed_keys": "one",
    "auth.code_guesses": "minutes of sign-ups",
    "internship.deleted_listings": "drafts that were deleted",
    "user.company_teams": "at most one a company, and few beside the students",
    "user.profile_accesses": "not measured yet; the seed makes none",
    "internship.told_views": "one number a listing, within what is kept of it",
}


def test_every_request_is_of_one_kind_and_every_component_is_planned() -> None:
    plan = planned()
    tables = committed_tables()

    assert sum(kind_rates(tables.workload, plan.request).values()) == pytest.approx(1e6)
    paths = build_paths(tables.workload, tables.figures, plan.request, 1)
    assert sum(path.share for path in paths) == pytest.approx(1)
    names = [f"{service}-{role}" for service in SERVICES for role in ("serve", "work")]
    assert [each.name for each in plan.components] == [*names, "gateway", "rate-limiter", "control-plane"]


def test_all_cpu_of_requests_goes_to_a_part_of_the_plan() -> None:
    tables = committed_tables()
    paths = build_paths(tables.workload, tables.figures, asked(), 40)
    parts = {each.name for each in planned().components} | {"mongod", "mongod-secondary", "redis", "rabbit"}
    assert set(demand_cores(paths, 1.0)) <= parts


def test_a_component_has_the_pods_that_demand_headroom_and_target_ask_for() -> None:
    workload = committed_tables().workload
    size = size_component(workload, 20, "auth-serve", 300.0, 0.05)
    assert size.needed_pods == math.ceil(300 * 1.2 / (0.7 - 0.05))
    assert size.pods == 20 * math.ceil(size.needed_pods / 20)
    assert size.pods_per_region * 20 == size.pods


def test_the_lower_bound_counts_over_all_regions() -> None:
    size = size_component(committed_tables().workload, 20, "auth-work", 0.0, 0.01)
    assert (size.needed_pods, size.pods, size.pods_per_region) == (0, 100, 5)


def test_a_gateway_requests_what_its_table_says() -> None:
    workload = committed_tables().workload
    assert pod_request(workload, "gateway").cores == 2
    assert pod_request(workload, "auth-serve") == workload.pods["serve"]


@settings(max_examples=25, deadline=None)
@given(st.floats(min_value=10, max_value=1e6), st.floats(min_value=1.01, max_value=3))
def test_more_requests_never_need_less(rps: float, more: float) -> None:
    less, larger = planned(rps), planned(min(rps * more, 1.2e6))

    for before, after in zip(less.components, larger.components, strict=True):
        assert after.pods >= before.pods
    for store in ("mongod", "redis", "rabbit"):
        assert larger.store(store).nodes >= less.store(store).nodes
    assert larger.cost_on_demand >= less.cost_on_demand


@settings(max_examples=25, deadline=None)
@given(
    st.integers(min_value=1000, max_value=USERS),
    st.floats(min_value=1, max_value=1e6),
    st.integers(min_value=1, max_value=60),
)
def test_planned_parts_stay_within_their_limits(users: int, rps: float, regions: int) -> None:
    plan = planned(rps, users=users, regions=regions)

    assert plan.store("mongod").groups >= regions
    for each in plan.components:
        assert each.pods % regions == 0
        assert each.pods >= each.needed_pods
        assert each.utilisation <= 0.7 + 1e-9
    assert all(limit.factor >= 1 for limit in plan.limits if limit.name != "connections to a primary")
    assert [limit.factor for limit in plan.limits] == sorted(limit.factor for limit in plan.limits)


def test_shards_hold_what_is_stored_at_the_end_of_the_plan() -> None:
    plan, sizing = planned(), committed_tables().workload.sizing
    shards = plan.store("mongod")
    assert shards.decided_by == "storage"
    assert shards.groups == math.ceil(plan.storage_bytes / (sizing.shard_disk_gb * 1e9 * sizing.disk_fill))
    assert shards.nodes == 3 * shards.groups


def test_hot_records_fit_into_the_memory_of_the_shards() -> None:
    tables = with_sizing(committed_tables(), hot_share=0.2)
    plan = make_plan(asked(), tables)
    shards, machine = plan.store("mongod"), tables.prices.machines["mongod"]
    assert shards.decided_by == "memory for what is hot"
    assert plan.storage_bytes * 0.2 / shards.groups <= machine.memory_gib * 2**30 * 0.5


def test_records_grow_with_users_and_flows_with_what_is_kept_of_them() -> None:
    plan, tables = planned(), committed_tables()
    by_name = {each.name: each for each in plan.storage}
    growth = growth_factor(tables.workload)
    assert growth == pytest.approx(1.3)
    assert by_name["auth.accounts"].records == pytest.approx(USERS * growth)
    submits_a_day = 500 * 86_400 * 0.4 * growth
    assert by_name["application.applications"].records == pytest.approx(submits_a_day * 730)


def test_every_collection_is_planned_or_named_as_too_small_to_plan() -> None:
    planned_names = set(committed_tables().workload.records)
    declared = {f"{service}.{spec.name}" for service, own in declared_collections().items() for spec in own}
    assert declared - planned_names == set(NOT_PLANNED)
    chassis = {"application.idempotency", "notification.inbox"}
    assert planned_names - declared == chassis


def test_every_search_on_every_shard_is_what_no_number_of_shards_carries() -> None:
    request = replace(asked(), layers={"edge": 0.1, "redis": 0.2, "database": 0.7})
    with pytest.raises(PlanError, match="every shard executes every search"):
        make_plan(request, committed_tables())

    plan = make_plan(replace(request, search_shards=6), committed_tables())
    assert plan.store("search").groups == 6


def test_searches_on_few_shards_need_fewer_processes() -> None:
    assert planned(search=4).component("internship-serve").pods < planned().component("internship-serve").pods


def test_too_many_shards_for_a_process_are_refused() -> None:
    tables = with_sizing(committed_tables(), shard_disk_gb=10)
    with pytest.raises(PlanError):
        make_plan(asked(), tables)


def test_the_first_bottleneck_is_the_least_factor_of_what_a_surge_fills() -> None:
    plan = planned()
    immediate = [limit for limit in plan.limits if not limit.is_gradual]
    assert plan.bottleneck == min(immediate, key=lambda limit: limit.factor)


def test_costs_add_up_and_reserving_is_cheaper_for_machines_that_always_run() -> None:
    plan = planned()
    assert plan.cost_on_demand == pytest.approx(sum(line.on_demand for line in plan.costs))
    for line in plan.costs:
        if line.name in ("mongod", "redis", "rabbit"):
            assert line.reserved["3 years"] < line.reserved["1 year"] < line.on_demand
