"""A station: the pods of a component in one region, their queue, and what they refuse."""

from collections import deque
from dataclasses import dataclass, field

from ops.capacity.simulation.autoscaler import HorizontalAutoscaler
from ops.capacity.simulation.queueing import stretch_factor

METRIC_WINDOW_S = 15.0


@dataclass(frozen=True)
class AdmissionRules:
    """When a station refuses: `max_wait_s` is the longest queue that it keeps; None keeps all.

    A refusal costs `refusal_s` of CPU; an answer after `deadline_s` is worth nothing to its caller.
    """

    max_wait_s: float | None
    deadline_s: float
    refusal_s: float


@dataclass(frozen=True)
class StationStep:
    """What happened to requests in a step; `arrived` + the queue before = `served` + `refused` + after."""

    arrived: float
    served: float
    refused: float
    queue_before: float
    queue_after: float
    wait_s: float
    utilisation: float


@dataclass
class Station:
    """`ready` pods with `servers` each; without an autoscaler their number stays as it is."""

    name: str
    ready: float
    servers: int
    overhead: float = 0.0
    autoscaler: HorizontalAutoscaler | None = None
    queue: float = 0.0
    _starting: deque[tuple[float, int]] = field(default_factory=deque)
    _samples: deque[tuple[float, float]] = field(default_factory=deque)
    _last_sync_s: float = 0.0

    @property
    def pods(self) -> float:
        """All pods, the starting ones included."""
        return self.ready + sum(count for _, count in self._starting)

    def advance(self, arrived: float, service_s: float, step_s: float, rules: AdmissionRules) -> StationStep:
        """Serve the requests that arrive in a step; `service_s` is their mean CPU."""
        before = self.queue
        capacity_s = self.ready * self.servers * (1 - self.overhead) * step_s
        refused = self._refuse(arrived, service_s, capacity_s, step_s, rules)
        usable_s = max(0.0, capacity_s - refused * rules.refusal_s)
        can_serve = usable_s / service_s if service_s > 0 else float("inf")
        served = min(before + arrived - refused, can_serve)
        self.queue = max(0.0, before + arrived - refused - served)
        rate = can_serve / step_s
        wait_s = (before + self.queue) / 2 / rate if rate > 0 else rules.deadline_s
        used_s = served * service_s + refused * rules.refusal_s
        utilisation = min(1.0, used_s / capacity_s) if capacity_s > 0 else 1.0
        return StationStep(arrived, served, refused, before, self.queue, wait_s, utilisation)

    def stretch(self, utilisation: float) -> float:
        """Return by how much a call takes longer than its CPU at this utilisation."""
        return stretch_factor(self.servers, utilisation)

    def autoscale(self, now_s: float, utilisation: float, pod_start_s: float, metric_delay_s: float) -> None:
        """Note the utilisation, let started pods serve, and follow the autoscaler when it is its time."""
        if self.autoscaler is None:
            return
        self._samples.append((now_s, self.overhead + (1 - self.overhead) * utilisation))
        while self._starting and self._starting[0][0] <= now_s:
            self.ready += self._starting.popleft()[1]
        if now_s - self._last_sync_s < self.autoscaler.policy.sync_period_s:
            return
        self._last_sync_s = now_s
        wanted = self.autoscaler.sync(now_s, int(self.ready), self._measured(now_s, metric_delay_s))
        self._set_pods(now_s, wanted, pod_start_s)

    def _measured(self, now_s: float, delay_s: float) -> float:
        """Return the mean utilisation of the window that ended before the metrics' delay."""
        until, since = now_s - delay_s, now_s - delay_s - METRIC_WINDOW_S
        while len(self._samples) > 1 and self._samples[0][0] <= since:
            self._samples.popleft()
        seen = [value for time, value in self._samples if time <= until] or [self._samples[0][1]]
        return sum(seen) / len(seen)

    def _set_pods(self, now_s: float, wanted: int, pod_start_s: float) -> None:
        change = int(wanted - self.pods)
        if change > 0:
            self._starting.append((now_s + pod_start_s, change))
        while change < 0 and self._starting:
            ready_at, count = self._starting.pop()
            kept = max(0, count + change)
            change = min(0, count + change)
            if kept:
                self._starting.append((ready_at, kept))
        self.ready += min(0, change)

    def _refuse(
        self, arrived: float, service_s: float, capacity_s: float, step_s: float, rules: AdmissionRules
    ) -> float:
        """Return how many requests are refused, so that no admitted one waits longer than the rules say."""
        if rules.max_wait_s is None:
            return 0.0
        # What may stay is what the CPU left by refusals serves within the longest wait.
        steps = 1 + rules.max_wait_s / step_s
        beyond_s = (self.queue + arrived) * service_s - capacity_s * steps
        if beyond_s <= 0:
            return 0.0
        saved_s = service_s - rules.refusal_s * steps
        return arrived if saved_s <= 0 else min(arrived, beyond_s / saved_s)
