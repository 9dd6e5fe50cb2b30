"""One file that takes effect when it changes, without a restart."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import ClassVar, Final, TypeVar

from chassis.contracts import ContractError
from chassis.observability.logging import get_logger
from chassis.settings import MisconfiguredError
from gateway.control_plane import metrics
from gateway.watched_content import WatchedContent

POLL_INTERVAL_S: Final = 0.25

T = TypeVar("T")

_log = get_logger()


class WatchedFile(WatchedContent[bytes, T]):
    """A file and its parsed value; `digest` is the hash of the version that `value` was parsed from."""

    rejected_errors: ClassVar = (OSError, MisconfiguredError, ContractError)

    def __init__(
        self,
        path: Path,
        parse: Callable[[bytes], T],
        *,
        poll_interval_s: float = POLL_INTERVAL_S,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Read the file once. Raise MisconfiguredError when it is missing or cannot be parsed."""
        self.digest = ""
        self._path = path
        self._parse = parse
        self._latest: tuple[tuple[int, int, int], bytes] | None = None
        metrics.reload_errors.labels(path.name)  # exported as 0 before the first one
        try:
            super().__init__(poll_interval_s, sleep=sleep)
        except self.rejected_errors as error:
            raise MisconfiguredError(f"{path}: {complaint}" for complaint in _error_messages(error)) from None

    def read_content(self) -> bytes:
        """Return what the file holds; it is read only when its inode, time or size has changed."""
        found = self._path.stat()
        signature = (found.st_ino, found.st_mtime_ns, found.st_size)
        if self._latest is None or self._latest[0] != signature:
            self._latest = signature, self._path.read_bytes()
        return self._latest[1]

    def parse_content(self, content: bytes) -> T:
        """Return what `parse` makes of it."""
        return self._parse(content)

    def accept(self, content: bytes) -> None:
        """Log the version and keep its digest."""
        if self.digest:
            _log.info("file reloaded", file=str(self._path))
        self.digest = hash_file_content(content)

    def reject(self, error: Exception) -> None:
        """Log the version. A missing file is being replaced, which is no error."""
        if not isinstance(error, FileNotFoundError):
            metrics.reload_errors.labels(self._path.name).inc()
            _log.error("changed file rejected", file=str(self._path), problems=_error_messages(error))


def hash_file_content(content: bytes) -> str:
    """Return a short hash, by which the writer of a file sees that it was reloaded."""
    return hashlib.blake2b(content, digest_size=8).hexdigest()


def _error_messages(error: Exception) -> list[str]:
    if isinstance(error, MisconfiguredError):
        return list(error.problems)
    return [getattr(error, "strerror", None) or str(error)]
