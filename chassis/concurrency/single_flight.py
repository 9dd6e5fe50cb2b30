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
    is_shared: bool


class SingleFlight(Generic[T]):
    """The loads under way in this process, by key."""

    def __init__(self) -> None:
        self._loads: dict[str, asyncio.Future[SingleFlightResult[T] | None]] = {}

    async def load_once(self, key: str, load: Callable[[], Awaitable[SingleFlightResult[T]]]) -> T:
        """Return the value of `key`, from a load that is under way or from one of its own.

        A caller that joined does not share the failure of the one who loaded: it tries again.
        """
        for _ in range(MAX_JOINS):
            running = self._loads.get(key)
            if running is None:
                return await self._load_as_leader(key, load)
            result = await asyncio.shield(running)
            if result is not None and result.is_shared:
                return result.value
        return (await load()).value

    def forget(self, key: str) -> None:
        """From now on nobody joins the load of `key` that is under way."""
        self._loads.pop(key, None)

    async def _load_as_leader(self, key: str, load: Callable[[], Awaitable[SingleFlightResult[T]]]) -> T:
        future: asyncio.Future[SingleFlightResult[T] | None] = asyncio.get_running_loop().create_future()
        self._loads[key] = future
        result: SingleFlightResult[T] | None = None
        try:
            result = await load()
            return result.value
        finally:
            if self._loads.get(key) is future:
                del self._loads[key]
            future.set_result(result)
