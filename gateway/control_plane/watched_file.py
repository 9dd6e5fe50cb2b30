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
    """A file and its parsed value; a version that cannot be parsed leaves the last good value in force.

    `digest` is the hash of the version of the file that `value` was parsed from.
    """

    def __init__(
        self,
        path: Path,
        parse: Callable[[bytes], T],
        *,
        poll_interval_s: float = POLL_INTERVAL_S,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Read the file once. Raise MisconfiguredError when it is missing or cannot be parsed."""
        self._path = path
        self._parse = parse
        self._poll_interval_s = poll_interval_s
        self._sleep = sleep
        try:
            self._signature = self._file_signature()
            self._content = path.read_bytes()
            self.value = parse(self._content)
            self.digest = hash_file_content(self._content)
        except (OSError, MisconfiguredError, ContractError) as error:
            raise MisconfiguredError(f"{path}: {complaint}" for complaint in _error_messages(error)) from None

    async def watch_values(self) -> AsyncIterator[T]:
        """Yield each new value within one poll interval."""
        while True:
            await self._sleep(self._poll_interval_s)
            if self._reload():
                yield self.value

    def _reload(self) -> bool:
        try:
            signature = self._file_signature()
            if signature == self._signature:
                return False
            content = self._path.read_bytes()
            self._signature = signature
            if content == self._content:
                return False
            self._content = content
            self.value = self._parse(content)
            self.digest = hash_file_content(content)
        except (OSError, MisconfiguredError, ContractError) as error:
            self._log_rejected(error)
            return False
        _log.info("file reloaded", file=str(self._path))
        return True

    def _log_rejected(self, error: Exception) -> None:
        """Log once per version of the file. A missing file is being replaced, which is no error."""
        if not isinstance(error, FileNotFoundError):
            metrics.reload_errors.labels(self._path.name).inc()
            _log.error("changed file rejected", file=str(self._path), problems=_error_messages(error))

    def _file_signature(self) -> tuple[int, int, int]:
        found = self._path.stat()
        return found.st_ino, found.st_mtime_ns, found.st_size


def hash_file_content(content: bytes) -> str:
    """Return a short hash, by which the writer of a file sees that it was reloaded."""
    return hashlib.blake2b(content, digest_size=8).hexdigest()


def _error_messages(error: Exception) -> list[str]:
    if isinstance(error, MisconfiguredError):
        return list(error.problems)
    return [getattr(error, "strerror", None) or str(error)]
