"""ClamAV's daemon: contents go to it by its command INSTREAM, over TCP or a local socket."""

import asyncio
from dataclasses import dataclass
from typing import Final, Self

from chassis.errors import DomainError, unavailable
from services.user.domain.documents import QuarantineReason

DEFAULT_TIMEOUT_S: Final = 20.0
"""Less than a handler of events may take."""
PART_BYTES: Final = 64 * 1024
MAX_ANSWER_BYTES: Final = 4 * 1024
_COMMAND: Final = b"zINSTREAM\0"
_END: Final = bytes(4)
_CLEAN: Final = b"stream: OK"
_FOUND: Final = b" FOUND"
_SOCKET_PREFIX: Final = "unix:"


@dataclass(frozen=True, slots=True)
class ClamdAddress:
    """Where clamd listens: `host:port`, or `unix:/path` of its local socket."""

    host: str = ""
    port: int = 0
    socket: str = ""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read an address as the settings hold it. Raises ValueError."""
        if text.startswith(_SOCKET_PREFIX):
            return cls(socket=text.removeprefix(_SOCKET_PREFIX))
        host, _, port = text.rpartition(":")
        return cls(host.strip("[]"), int(port))


class ClamdScanner:
    """Knows malware. A content larger than clamd's own bound (StreamMaxLength) is not passed."""

    def __init__(self, address: ClamdAddress, timeout_s: float = DEFAULT_TIMEOUT_S) -> None:
        self._address = address
        self._timeout_s = timeout_s

    async def scan(self, content: bytes, media_type: str) -> QuarantineReason:
        """Return MALWARE or UNSPECIFIED. Raises UNAVAILABLE for every answer that is not one of the two."""
        try:
            async with asyncio.timeout(self._timeout_s):
                answer = await self._ask(content)
        except (OSError, TimeoutError, asyncio.LimitOverrunError, asyncio.IncompleteReadError) as error:
            raise _unavailable(str(error) or type(error).__name__) from error
        if answer == _CLEAN:
            return QuarantineReason.UNSPECIFIED
        if answer.endswith(_FOUND):
            return QuarantineReason.MALWARE
        raise _unavailable(answer.decode("ascii", "replace"))

    async def _ask(self, content: bytes) -> bytes:
        reader, writer = await self._connect()
        try:
            writer.write(_COMMAND)
            for start in range(0, len(content), PART_BYTES):
                part = content[start : start + PART_BYTES]
                writer.write(len(part).to_bytes(4) + part)
                await writer.drain()
            writer.write(_END)
            await writer.drain()
            answer = await reader.readuntil(b"\0")
            return answer.rstrip(b"\0\n")
        finally:
            writer.close()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._address.socket:
            return await asyncio.open_unix_connection(self._address.socket, limit=MAX_ANSWER_BYTES)
        return await asyncio.open_connection(self._address.host, self._address.port, limit=MAX_ANSWER_BYTES)


def _unavailable(problem: str) -> DomainError:
    error = unavailable("The scanner of documents", retry_after_s=5.0)
    error.add_note(problem)
    return error
