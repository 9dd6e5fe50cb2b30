"""Samples of a measurement, and the figures derived from them."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class ProcessShare:
    """The part of a sample's CPU that one process used, and the events that it handled within it."""

    name: str
    cpu_s: float
    events: int = 0

    @property
    def events_per_cpu_s(self) -> float:
        """Events per second of the process's CPU."""
        return ratio(self.events, self.cpu_s)

    def scaled(self, factor: float) -> "ProcessShare":
        """Return the share of this part of the calls."""
        return ProcessShare(self.name, self.cpu_s * factor, round(self.events * factor))


@dataclass(frozen=True)
class LoadSample:
    """One measurement: the answers within a window, and the serving processes' CPU during it.

    `latencies_s` holds the successful calls only; `failures` counts the others by reason, with those of the
    warm-up. Where they were counted, `shares` is the CPU by process, `commands` the commands of MongoDB per
    call by name, `hit_rates` the share of the reads reaching a cache that it answers, and `kinds` the
    latencies by kind of call. `counted` is the number of successes that have no latencies.
    """

    window_s: float
    cpu_s: float
    latencies_s: Sequence[float]
    failures: Mapping[str, int] = field(default_factory=dict)
    shares: Sequence[ProcessShare] = ()
    commands: Mapping[str, float] = field(default_factory=dict)
    hit_rates: Mapping[str, float] = field(default_factory=dict)
    kinds: Mapping[str, Sequence[float]] = field(default_factory=dict)
    counted: int = 0

    @property
    def successes(self) -> int:
        """The number of successful calls."""
        return self.counted or len(self.latencies_s)

    @property
    def per_s(self) -> float:
        """Successful calls a second."""
        return self.successes / self.window_s

    @property
    def per_cpu_s(self) -> float:
        """Successful calls per second of the servers' CPU; infinite when that was too little to measure."""
        return self.successes / self.cpu_s if self.cpu_s > 0 else math.inf

    @property
    def cpu_us(self) -> float:
        """Microseconds of the servers' CPU for each successful call; NaN without one."""
        return ratio(self.cpu_s * 1e6, self.successes)

    @property
    def failed(self) -> int:
        """The number of failed calls."""
        return sum(self.failures.values())

    def latency_ms(self, share: float) -> float:
        """Return the latency that this share of the successful calls did not exceed, in milliseconds."""
        return percentile(self.latencies_s, share) * 1000


@dataclass(frozen=True)
class BenchmarkResult:
    """A measured row, with the name of the row that it is compared to, if any.

    `load` is the machine's load average of the minute before.
    """

    name: str
    title: str
    cpu_of: str
    sample: LoadSample
    baseline: str | None = None
    load: float = math.nan


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that at least `share` (0 to 1) of the values do not exceed; NaN if empty."""
    if not values:
        return math.nan
    rank = max(1, math.ceil(share * len(values)))
    return sorted(values)[rank - 1]


def ratio(figure: float, of: float) -> float:
    """Return one figure divided by another; NaN where the quotient has no meaning."""
    return figure / of if of > 0 and math.isfinite(figure) and math.isfinite(of) else math.nan
