"""The ops port, asked over a real socket."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import orjson
import pytest

from chassis.ops_server import OpsServer
from chassis.readiness import ReadinessCheck, ReadinessProbe


@dataclass
class OpsPortClient:
    port: int
    up: bool = True

    async def raw(self, request: bytes) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(request)
        writer.write_eof()
        answer = await reader.read()
        writer.close()
        return answer

    async def get(self, path: str, method: str = "GET") -> tuple[int, Any]:
        answer = await self.raw(f"{method} {path} HTTP/1.1\r\nhost: x\r\n\r\n".encode())
        head, _, body = answer.partition(b"\r\n\r\n")
        status = int(head.split()[1])
        return status, orjson.loads(body) if b"application/json" in head else body


@pytest.fixture
async def ops() -> AsyncIterator[OpsPortClient]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        asker = OpsPortClient(free.getsockname()[1])

    async def ask() -> None:
        if not asker.up:
            raise ConnectionError("refused")

    server = OpsServer(ReadinessProbe([ReadinessCheck("mongo s1", ask, "mongo")]))
    await server.start("127.0.0.1", asker.port)
    yield asker
    await server.stop()


async def test_health_says_that_the_process_lives(ops: OpsPortClient) -> None:
    assert await ops.get("/health") == (200, {"alive": True})


async def test_ready_shows_the_state_of_each_dependency(ops: OpsPortClient) -> None:
    status, body = await ops.get("/ready?verbose=1")
    assert status == 200
    assert body["ready"] is True
    assert body["checks"]["mongo s1"]["up"] is True


async def test_not_ready_is_503_with_the_reason(ops: OpsPortClient) -> None:
    ops.up = False
    status, body = await ops.get("/ready")
    assert status == 503
    assert body["degraded"] == ["mongo s1"]
    assert body["checks"]["mongo s1"]["error"] == "refused"


async def test_metrics_are_in_the_prometheus_format(ops: OpsPortClient) -> None:
    status, body = await ops.get("/metrics")
    assert status == 200
    assert b"# TYPE grpc_server_handled_total counter" in body


async def test_an_unknown_path_or_method_is_answered_with_the_known_ones(ops: OpsPortClient) -> None:
    assert (await ops.get("/nothing"))[0] == 404
    assert (await ops.get("/health", method="POST"))[0] == 405


@pytest.mark.parametrize(
    "request_", [b"", b"GET", b"\xff\xfe\r\n\r\n", b"x" * 100_000, b"GET / HTTP/1.1\r\n" * 9]
)
async def test_garbage_does_no_harm(ops: OpsPortClient, request_: bytes) -> None:
    with contextlib.suppress(ConnectionError):
        await ops.raw(request_)
    assert (await ops.get("/health"))[0] == 200
