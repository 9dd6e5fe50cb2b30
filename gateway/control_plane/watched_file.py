"""Files that take effect when they change, without a restart."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Final, Generic, TypeVar

from chassis.contracts import ContractError
from chassis.observability.logging import get_logger
from chassis.settings import MisconfiguredError
from gateway.control_plane import metrics

POLL_INTERVAL_S: Final = 0.25

T = TypeVar("T")

_log = get_logger()


class WatchedFile(Generic[T]):
    """A file and what `parse` makes of it; what cannot be parsed leaves the last good value in force.

    `digest` tells which version of the file `value` is of.
    """

    def __init__(
        self,
        path: Path,
        parse: Callable[[bytes], T],
        *,
        every_s: float = POLL_INTERVAL_S,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Reads it once. Raises MisconfiguredError when it is missing or cannot be parsed."""
        self._path = path
        self._parse = parse
        self._every_s = every_s
        self._pause = pause
        try:
            self._seen = self._stamp()
            self._content = path.read_bytes()
            self.value = parse(self._content)
            self.digest = hash_file_content(self._content)
        except (OSError, MisconfiguredError, ContractError) as error:
            raise MisconfiguredError(f"{path}: {complaint}" for complaint in _error_messages(error)) from None

    async def changes(self) -> AsyncIterator[T]:
        """Each new value, as soon as it is there."""
        while True:
            await self._pause(self._every_s)
            if self._reload():
                yield self.value

    def _reload(self) -> bool:
        try:
            seen = self._stamp()
            if seen == self._seen:
                return False
            content = self._path.read_bytes()
            self._seen = seen
            if content == self._content:
                return False
            self._content = content
            self.value = self._parse(content)
            self.digest = hash_file_content(content)
        except (OSError, MisconfiguredError, ContractError) as error:
            self._refuse(error)
            return False
        _log.info("file taken over", file=str(self._path))
        return True

    def _refuse(self, error: Exception) -> None:
        """Once for each version of the file; one that is missing for a moment is only being replaced."""
        if not isinstance(error, FileNotFoundError):
            metrics.reload_errors.labels(self._path.name).inc()
            _log.error(
                "changed file is not taken over", file=str(self._path), problems=_error_messages(error)
            )

    def _stamp(self) -> tuple[int, int, int]:
        found = self._path.stat()
        return found.st_ino, found.st_mtime_ns, found.st_size


def hash_file_content(content: bytes) -> str:
    """A short hash, by which whoever wrote a file can tell that it was taken over."""
    return hashlib.blake2b(content, digest_size=8).hexdigest()


def _error_messages(error: Exception) -> list[str]:
    if isinstance(error, MisconfiguredError):
        return list(error.problems)
    return [getattr(error, "strerror", None) or str(error)]
