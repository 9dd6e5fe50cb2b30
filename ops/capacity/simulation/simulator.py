"""Runs a scenario: requests pass the stations in order, second by second, in one of equal regions."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from ops.capacity.simulation.queueing import PathLatency, latency_percentile_s
from ops.capacity.simulation.station import AdmissionRules, Station, StationStep

STEP_S: Final = 1.0
LATENCY_SHARE: Final = 0.99
_NO_REQUESTS: Final = 1e-9


@dataclass(frozen=True)
class SimulatedPath:
    """A kind of request: its share of all, a fixed latency, and its CPU at each station, in seconds."""

    kind: str
    share: float
    fixed_s: float
    cpu_s: Mapping[str, float]
    uses_database: bool = False


@dataclass(frozen=True)
class ScenarioStep:
    """The requests a second that one region gets, and the parts of all requests that are lost before it.

    `lost_share` has no region to go to; `unavailable_share` of database requests finds no primary.
    """

    rate: float
    lost_share: float = 0.0
    unavailable_share: float = 0.0


@dataclass(frozen=True)
class SimulatedSecond:
    """One step of all requests in a region: numbers of requests, latencies, pods and utilisation by station.

    `arrived` + `queued_before` = `answered` + `refused` + `timed_out` + `lost` + `queued`.
    """

    time_s: float
    arrived: float
    answered: float
    refused: float
    timed_out: float
    lost: float
    queued_before: float
    queued: float
    latencies: tuple[PathLatency, ...]
    pods: Mapping[str, float]
    utilisation: Mapping[str, float]

    @property
    def error_rate(self) -> float:
        """The part of the ended requests that failed, 0 to 1."""
        failed = self.refused + self.timed_out + self.lost
        ended = failed + self.answered
        return failed / ended if ended > 0 else 0.0

    def p99_ms(self, kind: str | None = None) -> float:
        """Return the p99 of the answered requests, of all kinds or of one, in milliseconds."""
        paths = [each for each in self.latencies if kind is None or each.kind == kind]
        return 1000 * latency_percentile_s(paths, LATENCY_SHARE)


@dataclass
class _Flow:
    """The requests of one path in a step, as far as they have come."""

    path: SimulatedPath
    count: float
    waited_s: float = 0.0
    means_s: tuple[float, ...] = ()


def simulate(
    paths: Sequence[SimulatedPath],
    stations: Sequence[Station],
    scenario: Callable[[float], ScenarioStep],
    *,
    duration_s: float,
    rules: AdmissionRules,
    pod_start_s: float,
    metric_delay_s: float,
) -> list[SimulatedSecond]:
    """Return what happens in each second; the stations are in the order in which requests pass them."""
    seconds = []
    for number in range(round(duration_s / STEP_S)):
        now_s = (number + 1) * STEP_S
        seconds.append(_simulate_step(paths, stations, scenario(now_s), now_s, rules))
        for station in stations:
            station.autoscale(now_s, seconds[-1].utilisation[station.name], pod_start_s, metric_delay_s)
    return seconds


def _simulate_step(
    paths: Sequence[SimulatedPath],
    stations: Sequence[Station],
    scenario: ScenarioStep,
    now_s: float,
    rules: AdmissionRules,
) -> SimulatedSecond:
    arrived = scenario.rate * STEP_S
    queued_before = sum(station.queue for station in stations)
    flows = [_Flow(path, arrived * path.share * (1 - scenario.lost_share)) for path in paths]
    lost = arrived * scenario.lost_share + _drop_unavailable(flows, scenario.unavailable_share)
    refused, utilisation = 0.0, {}
    for station in stations:
        step = _pass_station(station, flows, rules)
        refused += step.refused
        utilisation[station.name] = step.utilisation
    latencies = tuple(_latency(flow, rules.deadline_s) for flow in flows)
    return SimulatedSecond(
        time_s=now_s,
        arrived=arrived,
        answered=sum(each.answered for each in latencies),
        refused=refused,
        timed_out=sum(each.late for each in latencies),
        lost=lost,
        queued_before=queued_before,
        queued=sum(station.queue for station in stations),
        latencies=latencies,
        pods={station.name: station.pods for station in stations},
        utilisation=utilisation,
    )


def _drop_unavailable(flows: Sequence[_Flow], share: float) -> float:
    """Take away the part of the database's requests whose shard has no primary; return their number."""
    dropped = 0.0
    for flow in flows:
        if flow.path.uses_database:
            dropped += flow.count * share
            flow.count *= 1 - share
    return dropped


def _pass_station(station: Station, flows: Sequence[_Flow], rules: AdmissionRules) -> StationStep:
    """Let flows pass a station that they need; what waited there goes on in their proportions."""
    passing = [flow for flow in flows if flow.path.cpu_s.get(station.name, 0.0) > 0]
    arrived = sum(flow.count for flow in passing)
    if arrived < _NO_REQUESTS:
        proportions = [flow.path.share for flow in passing]
    else:
        proportions = [flow.count for flow in passing]
    whole = sum(proportions) or 1.0
    parts = [each / whole for each in proportions]
    service_s = sum(part * flow.path.cpu_s[station.name] for part, flow in zip(parts, passing, strict=True))
    step = station.advance(arrived, service_s, STEP_S, rules)
    stretch = station.stretch(step.utilisation)
    for part, flow in zip(parts, passing, strict=True):
        flow.count = step.served * part
        flow.waited_s += step.wait_s
        flow.means_s = (*flow.means_s, flow.path.cpu_s[station.name] * stretch)
    return step


def _latency(flow: _Flow, deadline_s: float) -> PathLatency:
    fixed_s = flow.path.fixed_s + flow.waited_s
    return PathLatency(flow.path.kind, flow.count, fixed_s, flow.means_s, deadline_s)
