"""A bulkhead: one slow dependency holds a bounded number of calls of this process."""

from collections.abc import Iterator
from contextlib import contextmanager

from chassis.errors import overloaded
from chassis.observability import metrics


class Bulkhead:
    """At most `max_concurrent` calls at once to `dependency`; a further call is refused and does not wait."""

    def __init__(self, dependency: str, max_concurrent: int, *, label: str) -> None:
        self._dependency = dependency
        self._max_concurrent = max_concurrent
        self._held = 0
        self._in_use = metrics.bulkhead_in_use.labels(label)
        self._refused = metrics.bulkhead_refused.labels(label)

    @contextmanager
    def acquire(self) -> Iterator[None]:
        """Hold a place for the block. Raises DomainError OVERLOADED when all are taken."""
        if self._held >= self._max_concurrent:
            self._refused.inc()
            raise overloaded(self._dependency)
        self._count(1)
        try:
            yield
        finally:
            self._count(-1)

    def _count(self, places: int) -> None:
        self._held += places
        self._in_use.set(self._held)
