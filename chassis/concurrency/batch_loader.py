"""Batched reads: calls that arrive during a read share the next one."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final, Generic, TypeVar

from chassis.concurrency.coalescing import Coalescer
from chassis.errors import DomainError

T = TypeVar("T")

MAX_CONCURRENT_READS: Final = 1
MAX_BATCH_SIZE: Final = 64
"""The maximum of keys that the contracts admit in one call."""


class BatchLoader(Generic[T]):
    """Reads values by key in batches, for any number of concurrent callers.

    No caller gets a value that was read before it asked.
    """

    def __init__(self, load: Callable[[Sequence[str]], Awaitable[Mapping[str, T | DomainError]]]) -> None:
        self._load = load
        self._coalescer: Coalescer[str, T] = Coalescer(
            self._load_all, max_concurrent=MAX_CONCURRENT_READS, max_batch=MAX_BATCH_SIZE
        )

    async def get(self, key: str) -> T:
        """Return the value of a key, or raise its error; all callers of one read share its failure."""
        return await self._coalescer.submit(key)

    async def _load_all(self, keys: Sequence[str]) -> Sequence[T | DomainError]:
        found = await self._load(sorted(set(keys)))
        return [found[key] for key in keys]
