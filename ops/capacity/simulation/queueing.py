"""Queueing theory: M/M/c (Erlang C), and the latency of a path through several stations."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

MAX_UTILISATION: Final = 0.95
"""Beyond it a steady state takes longer to settle than the load stays; waiting is a queue there."""
_RATE_SPACING: Final = 2e-3
_NEGLIGIBLE_PART: Final = 0.01
_BISECTIONS: Final = 40


def erlang_c(servers: int, offered_load: float) -> float:
    """Return the probability that a call of M/M/c waits; `offered_load` is arrivals times service time.

    Raises:
        ValueError: there is no server, a negative load, or one that the servers cannot carry.
    """
    if servers < 1 or not 0 <= offered_load < servers:
        raise ValueError(f"{servers} servers cannot carry a load of {offered_load:g}")
    blocking = 1.0
    for n in range(1, servers + 1):
        blocking = offered_load * blocking / (n + offered_load * blocking)
    utilisation = offered_load / servers
    return blocking / (1 - utilisation + utilisation * blocking)


def mean_wait_s(servers: int, arrivals_per_s: float, service_s: float) -> float:
    """Return the mean time that a call of M/M/c waits for a server, in seconds."""
    load = arrivals_per_s * service_s
    return erlang_c(servers, load) * service_s / (servers - load)


def stretch_factor(servers: int, utilisation: float) -> float:
    """Return by how much a call takes longer than its service time, in the mean.

    A process shares its CPU among its calls, so that a long call does not block short ones: each is slowed
    by the same factor, that of M/M/c with as many servers. It is 1 / (1 - utilisation) for one server.
    """
    busy = min(max(utilisation, 0.0), MAX_UTILISATION)
    return 1 + erlang_c(servers, busy * servers) / (servers * (1 - busy))


@dataclass(frozen=True)
class PathLatency:
    """The latency of one kind of request: a fixed time, and exponential times at stations, in seconds.

    Of `count` requests those that take longer than `deadline_s` are not answered.
    """

    kind: str
    count: float
    fixed_s: float
    means_s: tuple[float, ...]
    deadline_s: float = math.inf

    @property
    def late(self) -> float:
        """The number of requests that miss the deadline."""
        return self.count * self.exceeds(self.deadline_s)

    @property
    def answered(self) -> float:
        """The number of requests that are answered in time."""
        return self.count - self.late

    def exceeds(self, time_s: float) -> float:
        """Return the probability that a request takes longer than `time_s`."""
        rest_s = time_s - self.fixed_s
        if rest_s < 0:
            return 1.0
        return 0.0 if math.isinf(rest_s) else _sum_exceeds(_distinct_rates(self.means_s), rest_s)


def latency_percentile_s(paths: Sequence[PathLatency], share: float) -> float:
    """Return the latency that `share` (0 to 1) of the answered requests do not exceed, in seconds.

    It is 0 when none is answered.
    """
    used = [(path, path.late) for path in paths]
    answered = sum(path.count - late for path, late in used)
    if answered <= 0:
        return 0.0
    allowed = (1 - share) * answered

    def exceeding(time_s: float) -> float:
        return sum(max(0.0, path.count * path.exceeds(time_s) - late) for path, late in used)

    low, high = 0.0, max(path.fixed_s + sum(path.means_s) for path in paths) + 1e-6
    while exceeding(high) > allowed:
        low, high = high, high * 2
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        low, high = (middle, high) if exceeding(middle) > allowed else (low, middle)
    return high


def _distinct_rates(means_s: Sequence[float]) -> list[float]:
    """Return the rates of the times that count, apart enough for the closed form of their sum."""
    longest = max(means_s, default=0.0)
    if longest <= 0:
        return []
    rates = sorted(1 / mean for mean in means_s if mean > longest * _NEGLIGIBLE_PART)
    for i in range(1, len(rates)):
        rates[i] = max(rates[i], rates[i - 1] * (1 + _RATE_SPACING))
    return rates


def _sum_exceeds(rates: Sequence[float], time_s: float) -> float:
    """Return the probability that a sum of exponential times with distinct rates exceeds `time_s`."""
    total = 0.0
    for i, rate in enumerate(rates):
        weight = math.prod(other / (other - rate) for j, other in enumerate(rates) if j != i)
        total += weight * math.exp(-rate * time_s)
    return min(1.0, max(0.0, total))
