"""A bulkhead: one slow dependency holds a bounded number of calls of this process."""

from contextlib import AbstractContextManager
from types import TracebackType

from chassis.errors import overloaded
from chassis.observability import metrics


class Bulkhead:
    """At most `max_concurrent` calls at once to `dependency`; a further call is refused and does not wait."""

    def __init__(self, dependency: str, max_concurrent: int, *, label: str) -> None:
        self._dependency = dependency
        self._max_concurrent = max_concurrent
        self._held = 0
        self._place = _Place(self)
        self._refused = metrics.bulkhead_refused.labels(label)
        metrics.bulkhead_in_use.labels(label).set_function(lambda: self._held)

    def acquire(self) -> AbstractContextManager[None]:
        """Return a block that holds a place. It raises DomainError OVERLOADED when all are taken."""
        return self._place

    def _take(self) -> None:
        if self._held >= self._max_concurrent:
            self._refused.inc()
            raise overloaded(self._dependency)
        self._held += 1

    def _release(self) -> None:
        self._held -= 1


class _Place:
    """One object for all blocks: it holds nothing of its own."""

    def __init__(self, bulkhead: Bulkhead) -> None:
        self._bulkhead = bulkhead

    def __enter__(self) -> None:
        self._bulkhead._take()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bulkhead._release()
