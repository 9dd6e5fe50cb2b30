"""The port between the local cache and the store's invalidations."""

from typing import Protocol


class InvalidationStream:
    """One uninterrupted time of receiving the invalidations of a part of the store; compared by identity."""

    __slots__ = ()


class InvalidationListener(Protocol):
    """A holder of copies of entries."""

    def invalidate(self, key: str) -> None:
        """Drop the copy of `key`, whose entry has changed or may have."""
        ...

    def invalidate_stream(self, stream: InvalidationStream) -> None:
        """Drop the copies made under `stream`, which has ended: invalidations may be missed from now on."""
        ...


class InvalidationSource(Protocol):
    """A source of invalidations of the store's entries, from the first key that it is asked about."""

    def subscribe(self, listener: InvalidationListener) -> None:
        """Call `listener` for each invalidation, and for each stream that ends."""
        ...

    def stream_for(self, key: str) -> InvalidationStream | None:
        """Return the stream that covers `key`; None while invalidations of it would be missed."""
        ...

    async def aclose(self) -> None:
        """End all streams for good."""
        ...


class NoInvalidationSource:
    """`InvalidationSource` of a store without invalidations: no copy of any entry is kept."""

    def subscribe(self, listener: InvalidationListener) -> None:
        pass

    def stream_for(self, key: str) -> InvalidationStream | None:
        return None

    async def aclose(self) -> None:
        pass
