"""Reads by the layer that answered them, from the metrics of the serving processes."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Self

from verify.bench.samples import ratio
from verify.bench.stack_counters import sum_metric

CACHE_METRIC: Final = "cache_requests_total"
_LOADED_OUTCOMES: Final = ("miss", "bypass")


@dataclass(frozen=True)
class CacheCounts:
    """Reads through the services' caches: answered by a copy in the process, by Redis, or loaded."""

    local: float
    redis: float
    loaded: float

    @classmethod
    def parse(cls, texts: Iterable[str]) -> Self:
        """Return the counts of all processes, each of which gave its metrics as text."""
        found = list(texts)

        def count(layer: str, *outcomes: str) -> float:
            return sum(
                sum_metric(text, CACHE_METRIC, layer=layer, outcome=outcome)
                for text in found
                for outcome in outcomes
            )

        return cls(count("near", "hit"), count("redis", "hit", "negative"), count("redis", *_LOADED_OUTCOMES))

    def since(self, before: Self) -> "CacheCounts":
        """Return the reads after an earlier reading."""
        return CacheCounts(self.local - before.local, self.redis - before.redis, self.loaded - before.loaded)

    def hit_rates(self) -> dict[str, float]:
        """Return the share of the reads reaching each layer that it answers; NaN where none did."""
        return {
            "copies in the process": ratio(self.local, self.local + self.redis + self.loaded),
            "Redis": ratio(self.redis, self.redis + self.loaded),
        }
