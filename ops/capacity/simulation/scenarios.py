"""The scenarios: a ramp to the full rate, and a region that is lost at peak; made from a plan."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from ops.capacity.capacity_plan import CapacityPlan
from ops.capacity.demand import GATEWAY, MONGOD, MONGOD_SECONDARY, RequestPath
from ops.capacity.planner import pod_request
from ops.capacity.simulation.autoscaler import HorizontalAutoscaler, ScalingPolicy
from ops.capacity.simulation.simulator import ScenarioStep, SimulatedPath, SimulatedSecond, simulate
from ops.capacity.simulation.station import AdmissionRules, Station
from ops.capacity.stores import SEARCH_STORE
from ops.capacity.tables import PlanTables, WorkloadTable

RAMP: Final = "ramp"
REGION_LOSS: Final = "region-loss"
SCENARIOS: Final = (RAMP, REGION_LOSS)
SERVE_SUFFIX: Final = "-serve"
LOST_AT_S: Final = 120.0
RAMP_HOLD_S: Final = 300.0
LOSS_DURATION_S: Final = 600.0


@dataclass(frozen=True)
class SimulationRequest:
    """The question: a ramp from one rate to another, and whether stations refuse what they cannot carry.

    Rates are of all regions, in requests a second; `policy` has the bounds of all regions.
    """

    start_rps: float
    ramp_s: float
    policy: ScalingPolicy
    has_admission: bool = True


@dataclass(frozen=True)
class SimulationRun:
    """A scenario with what happened; seconds are those of one of `regions` equal regions."""

    scenario: str
    regions: int
    seconds: tuple[SimulatedSecond, ...]


def run_scenario(
    name: str,
    question: SimulationRequest,
    plan: CapacityPlan,
    paths: Sequence[RequestPath],
    tables: PlanTables,
) -> SimulationRun:
    """Simulate one of `SCENARIOS` on the cluster of a plan."""
    workload = tables.workload
    regions, peak = plan.request.regions, plan.request.rps
    if name == RAMP:
        scenario = ramp(question.start_rps, peak, question.ramp_s, regions)
        duration_s = question.ramp_s + RAMP_HOLD_S
    else:
        rules = workload.simulation
        scenario = region_loss(peak, regions, rules.failover_s, rules.election_s)
        duration_s = LOSS_DURATION_S
    seconds = simulate(
        simulated_paths(paths, workload),
        build_stations(name, question.policy, plan, tables),
        scenario,
        duration_s=duration_s,
        rules=_admission_rules(question, workload),
        pod_start_s=workload.simulation.pod_start_s,
        metric_delay_s=workload.simulation.metric_delay_s,
    )
    return SimulationRun(name, regions, tuple(seconds))


def ramp(start_rps: float, peak_rps: float, ramp_s: float, regions: int) -> Callable[[float], ScenarioStep]:
    """Return the rate of a region that grows evenly and then stays."""

    def at(time_s: float) -> ScenarioStep:
        part = min(1.0, time_s / ramp_s)
        return ScenarioStep((start_rps + (peak_rps - start_rps) * part) / regions)

    return at


def region_loss(
    peak_rps: float, regions: int, failover_s: float, election_s: float
) -> Callable[[float], ScenarioStep]:
    """Return the rate of a surviving region; the lost one's share fails until its callers go elsewhere.

    Until the lost primaries have successors, the database's requests for their shards fail everywhere.
    """
    survivors = regions - 1

    def at(time_s: float) -> ScenarioStep:
        if time_s <= LOST_AT_S:
            return ScenarioStep(peak_rps / regions)
        since_s = time_s - LOST_AT_S
        unavailable = 1 / regions if since_s <= election_s else 0.0
        # The rate is what all callers send, dealt among the survivors; what fails never reaches them.
        lost = 1 / regions if since_s <= failover_s else 0.0
        return ScenarioStep(peak_rps / survivors, lost, unavailable)

    return at


def simulated_paths(paths: Sequence[RequestPath], workload: WorkloadTable) -> list[SimulatedPath]:
    """Return the paths with the CPU that a caller waits for: gateways, `serve` processes and shards."""
    fixed_ms = workload.simulation.fixed_ms
    return [
        SimulatedPath(
            kind=path.kind,
            share=path.share,
            fixed_s=fixed_ms[path.layer] / 1000 if path.layer in fixed_ms else 0.0,
            cpu_s={name: cpu / 1e6 for name, cpu in path.cpu_us.items() if _is_waited_for(name)},
            uses_database=path.layer == "database",
        )
        for path in paths
        if path.share > 0
    ]


def build_stations(
    scenario: str, policy: ScalingPolicy, plan: CapacityPlan, tables: PlanTables
) -> list[Station]:
    """Return the stations of one region in the order in which requests pass them.

    A ramp begins with the least pods, the loss of a region with those that the autoscaler has settled on.
    """
    regions = plan.request.regions
    bounds = _policy_of_region(policy, regions)
    waited_for = [each for each in plan.components if _is_waited_for(each.name)]
    ordered = sorted(waited_for, key=lambda each: each.name != GATEWAY)
    stations = []
    for each in ordered:
        pod = pod_request(tables.workload, each.name)
        overhead = each.overhead_cores / each.cores_per_pod
        settled = math.ceil(each.demand_cores / (each.cores_per_pod * (policy.target - overhead)) / regions)
        pods = bounds.min_pods if scenario == RAMP else settled
        pods = min(max(pods, bounds.min_pods), bounds.max_pods)
        stations.append(Station(each.name, pods, pod.servers, overhead, HorizontalAutoscaler(bounds, pods)))
    return [*stations, *_shard_stations(scenario, plan, tables)]


def _shard_stations(scenario: str, plan: CapacityPlan, tables: PlanTables) -> list[Station]:
    """Return the shards of a region; a surviving one also carries those of the lost one."""
    survivors = plan.request.regions - (scenario == REGION_LOSS)
    shards = plan.store(MONGOD).groups / survivors
    cores = max(1, round(tables.prices.machines[MONGOD].cores))
    secondaries = shards * max(1, tables.workload.sizing.members - 1)
    if plan.request.search_shards:
        secondaries = plan.store(SEARCH_STORE).nodes / survivors
    return [Station(MONGOD, shards, cores), Station(MONGOD_SECONDARY, secondaries, cores)]


def _policy_of_region(policy: ScalingPolicy, regions: int) -> ScalingPolicy:
    """Return the policy with the bounds of one region; steps are those of each autoscaler."""
    least, most = math.ceil(policy.min_pods / regions), max(1, policy.max_pods // regions)
    return replace(policy, min_pods=min(least, most), max_pods=most)


def _admission_rules(question: SimulationRequest, workload: WorkloadTable) -> AdmissionRules:
    rules = workload.simulation
    max_wait_s = rules.max_wait_s if question.has_admission else None
    return AdmissionRules(max_wait_s, rules.deadline_s, rules.refusal_us / 1e6)


def _is_waited_for(component: str) -> bool:
    return component in (GATEWAY, MONGOD, MONGOD_SECONDARY) or component.endswith(SERVE_SUFFIX)
