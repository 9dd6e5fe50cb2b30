"""Invalidations of a cache store that the test sends."""

from chassis.cache.invalidation_stream import InvalidationListener, InvalidationStream


class FakeInvalidationSource:
    """`InvalidationSource` with one watch over all keys; the test begins and ends it."""

    def __init__(self) -> None:
        self.watch: InvalidationStream | None = InvalidationStream()
        self._listeners: list[InvalidationListener] = []

    def report_to(self, listener: InvalidationListener) -> None:
        self._listeners.append(listener)

    def of(self, key: str) -> InvalidationStream | None:
        return self.watch

    async def aclose(self) -> None:
        self.end()

    def changed(self, key: str) -> None:
        """An invalidation of `key` arrives."""
        for listener in self._listeners:
            listener.forget(key)

    def end(self) -> None:
        """The connection is lost."""
        ended, self.watch = self.watch, None
        if ended is not None:
            for listener in self._listeners:
                listener.forget_all(ended)

    def begin(self) -> None:
        """Changes are heard of again; the first begin of all is made already."""
        self.end()
        self.watch = InvalidationStream()
