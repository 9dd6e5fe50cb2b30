"""The client of clamd against a server that speaks its protocol; and the scanner that a process has."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from chassis.errors import DomainError
from services.user.domain.documents import QuarantineReason
from services.user.domain.file_types import MediaType
from services.user.scanners import ClamdAddress, ClamdScanner, RuleScanner, build_scanner
from tests.ports import free_port
from tests.unit.user.files import EICAR, docx, pdf

FINE, MALWARE = QuarantineReason.UNSPECIFIED, QuarantineReason.MALWARE
MAX_STREAM_BYTES = 200_000


class ClamdServer:
    """Answers INSTREAM as clamd does; it knows one piece of malware, `virus`."""

    def __init__(self) -> None:
        self.received: list[bytes] = []
        self.answer: Callable[[bytes], bytes] = self._judge

    def _judge(self, content: bytes) -> bytes:
        return b"stream: Test.Virus FOUND\0" if b"virus" in content else b"stream: OK\0"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            assert await reader.readuntil(b"\0") == b"zINSTREAM\0"
            content = bytearray()
            while size := int.from_bytes(await reader.readexactly(4)):
                content += await reader.readexactly(size)
                if len(content) > MAX_STREAM_BYTES:
                    writer.write(b"INSTREAM size limit exceeded. ERROR\0")
                    return
            self.received.append(bytes(content))
            writer.write(self.answer(bytes(content)))
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()


@asynccontextmanager
async def listening(clamd: ClamdServer) -> AsyncIterator[ClamdScanner]:
    server = await asyncio.start_server(clamd.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        yield ClamdScanner(ClamdAddress.parse(f"127.0.0.1:{port}"), timeout_s=1.0)


async def problem_of(scanner: ClamdScanner, content: bytes = b"content") -> str:
    with pytest.raises(DomainError) as refused:
        await scanner.scan(content, MediaType.TEXT)
    assert refused.value.reason == "UNAVAILABLE"
    return " ".join(refused.value.__notes__)


async def test_clamd_gets_the_whole_content_and_its_verdict_counts() -> None:
    clamd, content = ClamdServer(), bytes(range(256)) * 600
    async with listening(clamd) as scanner:
        assert await scanner.scan(content, MediaType.PDF) is FINE
        assert await scanner.scan(content + b"virus", MediaType.PDF) is MALWARE
        assert await scanner.scan(b"", MediaType.PDF) is FINE
    assert clamd.received == [content, content + b"virus", b""]


async def test_clamd_is_asked_over_a_local_socket(tmp_path: Path) -> None:
    path = tmp_path / "clamd.sock"
    async with await asyncio.start_unix_server(ClamdServer().serve, path):
        scanner = ClamdScanner(ClamdAddress.parse(f"unix:{path}"))
        assert await scanner.scan(b"virus", MediaType.TEXT) is MALWARE


@pytest.mark.parametrize(
    "answer",
    [b"", b"\0", b"stream: Heuristics limits exceeded ERROR\0", b"stream: OK", b"OK\0", b"x" * 9_000 + b"\0"],
)
async def test_every_other_answer_passes_nothing(answer: bytes) -> None:
    clamd = ClamdServer()
    clamd.answer = lambda _: answer
    async with listening(clamd) as scanner:
        await problem_of(scanner)


async def test_a_content_beyond_the_bound_of_clamd_passes_nothing() -> None:
    async with listening(ClamdServer()) as scanner:
        await problem_of(scanner, b"x" * 2_000_000)


async def test_a_clamd_that_does_not_listen_or_answer_passes_nothing_and_is_given_up_in_time() -> None:
    await problem_of(ClamdScanner(ClamdAddress.parse(f"127.0.0.1:{free_port()}"), timeout_s=1.0))

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(5)
        writer.close()

    began = time.monotonic()
    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    await problem_of(ClamdScanner(ClamdAddress.parse(f"127.0.0.1:{port}"), timeout_s=0.2))
    server.close()
    assert time.monotonic() - began < 4


async def test_without_clamd_the_rules_alone_decide() -> None:
    scanner = build_scanner("")
    assert isinstance(scanner, RuleScanner)
    assert await scanner.scan(pdf(), MediaType.PDF) is FINE
    assert await scanner.scan(pdf(EICAR), MediaType.PDF) is MALWARE


async def test_beside_clamd_the_rules_refuse_what_clamd_lets_pass() -> None:
    server = await asyncio.start_server(ClamdServer().serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        scanner = build_scanner(f"127.0.0.1:{port}")
        macros = docx(**{"word/vbaProject.bin": b"\0"})
        assert await scanner.scan(macros, MediaType.DOCX) is QuarantineReason.ACTIVE_CONTENT
        assert await scanner.scan(pdf(b"virus"), MediaType.PDF) is MALWARE
        assert await scanner.scan(pdf(), MediaType.PDF) is FINE


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("clamd.scan:3310", ClamdAddress("clamd.scan", 3310)),
        ("[::1]:3310", ClamdAddress("::1", 3310)),
        ("unix:/run/clamd.ctl", ClamdAddress(socket="/run/clamd.ctl")),
    ],
)
def test_an_address_is_a_port_or_a_socket(text: str, address: ClamdAddress) -> None:
    assert ClamdAddress.parse(text) == address
