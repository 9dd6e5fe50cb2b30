"""A simulation of single calls, event by event: what the theory and the simulator are compared with."""

import heapq
import random
from dataclasses import dataclass


@dataclass(frozen=True)
class SimulatedCalls:
    """The waits and the times from arrival to answer of calls of M/M/c, in seconds."""

    waits_s: list[float]
    times_s: list[float]

    @property
    def waiting_share(self) -> float:
        return sum(wait > 0 for wait in self.waits_s) / len(self.waits_s)

    @property
    def mean_time_s(self) -> float:
        return sum(self.times_s) / len(self.times_s)

    def percentile_s(self, share: float) -> float:
        return sorted(self.times_s)[int(share * len(self.times_s))]


def simulate_calls(
    servers: int, arrivals_per_s: float, service_s: float, calls: int, seed: int
) -> SimulatedCalls:
    """Let calls arrive at random and be served in order by the first free server."""
    chance = random.Random(seed)
    free_at = [0.0] * servers
    now_s, waits, times = 0.0, [], []
    for _ in range(calls):
        now_s += chance.expovariate(arrivals_per_s)
        start_s = max(now_s, heapq.heappop(free_at))
        end_s = start_s + chance.expovariate(1 / service_s)
        heapq.heappush(free_at, end_s)
        waits.append(start_s - now_s)
        times.append(end_s - now_s)
    settled = calls // 10
    return SimulatedCalls(waits[settled:], times[settled:])


def simulate_tandem(arrivals_per_s: float, services_s: list[float], calls: int, seed: int) -> list[float]:
    """Return the times of calls that pass several single servers in turn, in seconds."""
    chance = random.Random(seed)
    free_at = [0.0] * len(services_s)
    now_s, times = 0.0, []
    for _ in range(calls):
        now_s += chance.expovariate(arrivals_per_s)
        at_s = now_s
        for number, service_s in enumerate(services_s):
            at_s = max(at_s, free_at[number]) + chance.expovariate(1 / service_s)
            free_at[number] = at_s
        times.append(at_s - now_s)
    return times[calls // 10 :]


def count_queue_after(
    servers: int, arrivals_per_s: float, service_s: float, duration_s: float, seed: int
) -> int:
    """Return how many calls have arrived and not been answered after a time, from an empty start."""
    chance = random.Random(seed)
    free_at = [0.0] * servers
    now_s, open_calls = 0.0, 0
    while (now_s := now_s + chance.expovariate(arrivals_per_s)) < duration_s:
        end_s = max(now_s, heapq.heappop(free_at)) + chance.expovariate(1 / service_s)
        heapq.heappush(free_at, end_s)
        open_calls += end_s > duration_s
    return open_calls
