"""News of changes to a cache store, told when the test says so."""

from chassis.cache.watch import Listener, Watch


class ToldWatches:
    """`Watches` with one watch over all keys; the test lets it begin and end, and brings the news."""

    def __init__(self) -> None:
        self.watch: Watch | None = Watch()
        self._listeners: list[Listener] = []

    def report_to(self, listener: Listener) -> None:
        self._listeners.append(listener)

    def of(self, key: str) -> Watch | None:
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
        self.watch = Watch()
