"""Single-flight: concurrent requests for one key share one load."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

T = TypeVar("T")

MAX_JOINS: Final = 3
"""The number of failed loads of others that a caller waits for before it loads for itself."""


@dataclass(frozen=True, slots=True)
class SingleFlightResult(Generic[T]):
    """The result of a load; without `is_shared` callers that joined it must not use it."""

    value: T
    is_shared: bool


class SingleFlight(Generic[T]):
    """The loads under way in this process, by key."""

    def __init__(self) -> None:
        self._loads: dict[str, asyncio.Future[SingleFlightResult[T] | None]] = {}

    async def load_once(self, key: str, load: Callable[[], Awaitable[SingleFlightResult[T]]]) -> T:
        """Return the value of `key`, from a load in flight or from a new one.

        A caller that joined does not share the failure of the load: it tries again.
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
        """Let no further caller join the load of `key` that is in flight."""
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
