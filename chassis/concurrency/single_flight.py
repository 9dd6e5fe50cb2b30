"""Single-flight: what many want at once is loaded once."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

T = TypeVar("T")

MAX_JOINS: Final = 3
"""How often a caller waits for another's load that comes to nothing, before loading for itself."""


@dataclass(frozen=True, slots=True)
class SingleFlightResult(Generic[T]):
    """What a load brought; `shared` is false when those who joined it must not rely on it."""

    value: T
    shared: bool


class SingleFlight(Generic[T]):
    """The loads under way in this process, by key."""

    def __init__(self) -> None:
        self._flying: dict[str, asyncio.Future[SingleFlightResult[T] | None]] = {}

    async def join(self, key: str, load: Callable[[], Awaitable[SingleFlightResult[T]]]) -> T:
        """The value of `key`, from a load that is under way or from one of its own.

        A caller that joined does not share the failure of the one who loaded: it tries again.
        """
        for _ in range(MAX_JOINS):
            flying = self._flying.get(key)
            if flying is None:
                return await self._lead(key, load)
            landed = await asyncio.shield(flying)
            if landed is not None and landed.shared:
                return landed.value
        return (await load()).value

    def leave(self, key: str) -> None:
        """From now on nobody joins the load of `key` that is under way."""
        self._flying.pop(key, None)

    async def _lead(self, key: str, load: Callable[[], Awaitable[SingleFlightResult[T]]]) -> T:
        flight: asyncio.Future[SingleFlightResult[T] | None] = asyncio.get_running_loop().create_future()
        self._flying[key] = flight
        landed: SingleFlightResult[T] | None = None
        try:
            landed = await load()
            return landed.value
        finally:
            if self._flying.get(key) is flight:
                del self._flying[key]
            flight.set_result(landed)
