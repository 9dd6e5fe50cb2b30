"""Figures of one tool's run, and the thresholds that they break."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from verify.bench.samples import percentile
from verify.load.profiles import LoadThresholds

MAX_REASONS_SHOWN: Final = 3
LIMIT_REASONS: Final = ("429", "RESOURCE_EXHAUSTED")
LIMITS_HINT: Final = (
    "429 is the answer of rate limits, and of services with too many calls: see docs/load-tests.md"
)


@dataclass(frozen=True)
class CallFigures:
    """The calls of one name: their number, the failed ones by reason, and response times in milliseconds."""

    name: str
    count: int
    p50_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float
    failures: Mapping[str, int] = field(default_factory=dict)

    @property
    def failed(self) -> int:
        """The number of failed calls."""
        return sum(self.failures.values())


@dataclass(frozen=True)
class LoadInterval:
    """A part of the run: its start in seconds since the first, requests a second, and response times."""

    start_s: float
    requests_per_s: float
    p50_ms: float
    p99_ms: float


@dataclass(frozen=True)
class LoadResult:
    """One tool's run.

    `counted` says which things `attempted` and `failed` are: sessions or calls. `failures` are their reasons.
    """

    tool: str
    counted: str
    attempted: int
    failed: int
    duration_s: float
    p99_ms: float
    calls: Sequence[CallFigures]
    failures: Mapping[str, int] = field(default_factory=dict)
    intervals: Sequence[LoadInterval] = ()

    @property
    def requests(self) -> int:
        """The number of calls."""
        return sum(call.count for call in self.calls)

    @property
    def requests_per_s(self) -> float:
        """Calls a second."""
        return self.requests / self.duration_s if self.duration_s > 0 else math.nan

    @property
    def error_percent(self) -> float:
        """The failed share, in percent; NaN when nothing was attempted."""
        return 100 * self.failed / self.attempted if self.attempted else math.nan


def figures_of_calls(name: str, latencies_ms: Sequence[float], failures: Mapping[str, int]) -> CallFigures:
    """Return the figures of calls that are known one by one; `latencies_ms` includes those of failed ones."""
    return CallFigures(
        name,
        len(latencies_ms),
        p50_ms=percentile(latencies_ms, 0.5),
        p95_ms=percentile(latencies_ms, 0.95),
        p99_ms=percentile(latencies_ms, 0.99),
        max_ms=max(latencies_ms, default=math.nan),
        failures=dict(failures),
    )


def find_breaches(result: LoadResult, thresholds: LoadThresholds) -> list[str]:
    """Return a sentence for each threshold that the run breaks; a run without an answer breaks one, too."""
    if not result.attempted or math.isnan(result.p99_ms):
        return [f"{result.tool}: there was no answer to measure{_list_reasons(result.failures)}"]
    found = []
    if result.error_percent > thresholds.max_error_percent:
        found.append(
            f"{result.tool}: {result.failed} of {result.attempted} {result.counted} failed, "
            f"{result.error_percent:.3g} %; the threshold max-error-percent is "
            f"{thresholds.max_error_percent:g} %{_list_reasons(result.failures)}"
        )
    if result.p99_ms > thresholds.max_p99_ms:
        found.append(
            f"{result.tool}: the p99 of the response times is {result.p99_ms:.4g} ms; "
            f"the threshold p99-ms is {thresholds.max_p99_ms:g} ms{_name_slowest(result.calls)}"
        )
    return found


def needs_limits_hint(results: Iterable[LoadResult]) -> bool:
    """Return whether rate limits are among the reasons of the failures."""
    reasons = " ".join(reason for result in results for reason in result.failures)
    return any(each in reasons for each in LIMIT_REASONS)


def _list_reasons(failures: Mapping[str, int]) -> str:
    most = sorted(failures.items(), key=lambda each: -each[1])[:MAX_REASONS_SHOWN]
    return f" ({', '.join(f'{count} x {reason}' for reason, count in most)})" if most else ""


def _name_slowest(calls: Sequence[CallFigures]) -> str:
    slowest = max(calls, key=lambda call: call.p99_ms, default=None)
    return f" (the slowest: {slowest.name}, {slowest.p99_ms:.4g} ms)" if slowest else ""
