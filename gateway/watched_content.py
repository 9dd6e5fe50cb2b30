"""Configuration in files that takes effect when the files change, without a restart."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import ClassVar, Generic, TypeVar

from chassis.settings import MisconfiguredError

C = TypeVar("C")
T = TypeVar("T")


class WatchedContent(ABC, Generic[C, T]):
    """What files hold, read again and again; `value` is what it stands for.

    A version that cannot be read or parsed is rejected once; the last good value stays in force. The first
    version has to be good: its errors are raised.
    """

    rejected_errors: ClassVar[tuple[type[Exception], ...]] = (OSError, MisconfiguredError)
    """What `read_content` and `parse_content` raise for a version that is not good."""

    def __init__(
        self, poll_interval_s: float, *, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        self.poll_interval_s = poll_interval_s
        self._sleep = sleep
        self._last_content = self.read_content()
        self.value = self.parse_content(self._last_content)
        self.accept(self._last_content)

    @abstractmethod
    def read_content(self) -> C:
        """Return what the files hold now; equal to the last content when nothing has changed."""

    @abstractmethod
    def parse_content(self, content: C) -> T:
        """Return what a content stands for."""

    @abstractmethod
    def accept(self, content: C) -> None:
        """Follow up on a good version; `value` is parsed from it."""

    @abstractmethod
    def reject(self, error: Exception) -> None:
        """Report a version that is not good."""

    async def is_settled(self, content: C) -> bool:
        """Whether the writer has finished; if not, the content is looked at again in the next poll."""
        return True

    async def watch_values(self) -> AsyncIterator[T]:
        """Yield each new value within one poll interval, until cancelled."""
        while True:
            await self._sleep(self.poll_interval_s)
            if await self.poll():
                yield self.value

    async def watch_forever(self) -> None:
        """Keep `value` up to date until cancelled."""
        async for _ in self.watch_values():
            pass

    async def poll(self) -> bool:
        """Take over a changed content; return whether there is a new value."""
        try:
            content = await asyncio.to_thread(self.read_content)
            if content == self._last_content or not await self.is_settled(content):
                return False
            self._last_content = content
            value = await asyncio.to_thread(self.parse_content, content)
        except self.rejected_errors as error:
            self.reject(error)
            return False
        self.value = value
        self.accept(content)
        return True
