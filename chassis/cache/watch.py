"""What the near cache needs to know of the store: which changes it would hear of, and each one of them."""

from typing import Protocol


class Watch:
    """One unbroken time of hearing of every change in a part of the store. Two are never the same."""

    __slots__ = ()


class Listener(Protocol):
    """Who keeps copies of entries."""

    def forget(self, key: str) -> None:
        """The entry of `key` has changed, or may have."""
        ...

    def forget_all(self, watch: Watch) -> None:
        """`watch` has ended: changes may be missed from now on, or everything has changed at once."""
        ...


class Watches(Protocol):
    """Hears of changes to the store's entries; begins with what it is first asked about."""

    def report_to(self, listener: Listener) -> None:
        """Tells `listener` of each change, and of each watch that ends."""
        ...

    def of(self, key: str) -> Watch | None:
        """The watch over `key`; None while a change of it would not be heard of."""
        ...

    async def aclose(self) -> None:
        """Ends all watches for good."""
        ...


class NoWatches:
    """`Watches` over a store that tells of nothing: no copy of any entry is kept."""

    def report_to(self, listener: Listener) -> None:
        pass

    def of(self, key: str) -> Watch | None:
        return None

    async def aclose(self) -> None:
        pass
