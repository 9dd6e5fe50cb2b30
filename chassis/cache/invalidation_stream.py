"""What the near cache needs to know of the store: which changes it would hear of, and each one of them."""

from typing import Protocol


class InvalidationStream:
    """One unbroken time of hearing of every change in a part of the store. Two are never the same."""

    __slots__ = ()


class InvalidationListener(Protocol):
    """Who keeps copies of entries."""

    def invalidate(self, key: str) -> None:
        """Take note that the entry of `key` has changed, or may have."""
        ...

    def invalidate_stream(self, stream: InvalidationStream) -> None:
        """`watch` has ended: changes may be missed from now on, or everything has changed at once."""
        ...


class InvalidationSource(Protocol):
    """Receives changes of the store's entries, from the first key that it is asked about on."""

    def subscribe(self, listener: InvalidationListener) -> None:
        """Tells `listener` of each change, and of each watch that ends."""
        ...

    def stream_for(self, key: str) -> InvalidationStream | None:
        """Return the watch over `key`; None while a change of it would not be heard of."""
        ...

    async def aclose(self) -> None:
        """End all watches for good."""
        ...


class NoInvalidationSource:
    """`InvalidationSource` over a store that tells of nothing: no copy of any entry is kept."""

    def subscribe(self, listener: InvalidationListener) -> None:
        pass

    def stream_for(self, key: str) -> InvalidationStream | None:
        return None

    async def aclose(self) -> None:
        pass
