"""The port to the counters: sliding windows by key, shared by all replicas."""

from dataclasses import dataclass
from typing import Protocol

from gateway.ratelimit.sliding_window import WindowUsage


@dataclass(frozen=True, slots=True)
class CounterHit:
    """Hits to count under a key; with `hits` 0 the answer is whether one more would be admitted."""

    key: str
    hits: int
    limit: int
    window_us: int


@dataclass(frozen=True, slots=True)
class CounterResult:
    """Whether the hits were admitted, the time by the store's clock, and the counter's usage after them."""

    admitted: bool
    now_us: int
    usage: WindowUsage


@dataclass(frozen=True, slots=True)
class LeaseRequest:
    """What somebody who counts by themselves reports about a key, and asks for.

    `owed` hits were admitted already: they count, also beyond the limit. `returned` hits of an earlier lease,
    counted in the run that began at `run_us`, were not used. `wanted` hits are asked for, to be used soon.
    """

    key: str
    limit: int
    window_us: int
    owed: int = 0
    returned: int = 0
    run_us: int = 0
    wanted: int = 0


@dataclass(frozen=True, slots=True)
class LeaseResult:
    """The hits that are leased and counted, at most the wanted ones, and the counter's usage with them."""

    granted: int
    now_us: int
    usage: WindowUsage


def lease_hits(usage: WindowUsage, request: LeaseRequest, now_us: int) -> LeaseResult:
    """Return the lease: at most half of the remaining hits, rounded up, so that others find some.

    `lease.lua` does the same at the counters.
    """
    usage = usage.without_hits(request.returned, request.run_us)
    if request.owed:
        usage = usage.with_hits(request.owed, now_us, request.window_us)
    remaining = usage.remaining(request.limit, now_us, request.window_us)
    granted = min(request.wanted, remaining - remaining // 2)
    if granted:
        usage = usage.with_hits(granted, now_us, request.window_us)
    return LeaseResult(granted, now_us, usage)


class CounterStore(Protocol):
    """Counts hits in sliding windows."""

    async def lease(self, request: LeaseRequest) -> LeaseResult:
        """Count the reported hits, and those that are leased. Raise StoreUnavailableError."""
        ...

    async def count(self, hit: CounterHit) -> CounterResult:
        """Count the hits if they keep to the limit. Raise StoreUnavailableError."""
        ...
