"""Invalidations of a cache store that the test sends."""

from chassis.cache.invalidation_stream import InvalidationListener, InvalidationStream


class FakeInvalidationSource:
    """`InvalidationSource` with one stream over all keys; the test begins and ends it."""

    def __init__(self) -> None:
        self.stream: InvalidationStream | None = InvalidationStream()
        self._listeners: list[InvalidationListener] = []

    def subscribe(self, listener: InvalidationListener) -> None:
        self._listeners.append(listener)

    def stream_for(self, key: str) -> InvalidationStream | None:
        return self.stream

    async def aclose(self) -> None:
        self.end()

    def changed(self, key: str) -> None:
        """Report that the entry of `key` was invalidated."""
        for listener in self._listeners:
            listener.invalidate(key)

    def end(self) -> None:
        """Report that the connection is lost."""
        ended, self.stream = self.stream, None
        if ended is not None:
            for listener in self._listeners:
                listener.invalidate_stream(ended)

    def begin(self) -> None:
        """Report that changes are received again; the first connection exists from the start."""
        self.end()
        self.stream = InvalidationStream()
