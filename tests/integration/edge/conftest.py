"""A real Envoy with all its filters, before echo servers and a real limiter's contract."""

import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from jwt.algorithms import ECAlgorithm

from internshipconnect.auth.v1 import auth_pb2
from tests.fakes.tokens import USER_KEY, USER_KEY_ID
from tests.integration.control_plane.harness import ControlPlaneHarness, EchoInstance, wait_until
from tests.waiting import WAIT_TIMEOUT_S


def published_jwks() -> bytes:
    """Return the public key of the tests' people, as auth publishes it."""
    jwk: Any = ECAlgorithm.to_jwk(USER_KEY.public_key(), as_dict=True)
    known = auth_pb2.Jwk(kid=USER_KEY_ID, alg="ES256", use="sig", **jwk)
    return auth_pb2.Jwks(keys=[known]).SerializeToString()


class EdgeHarness(ControlPlaneHarness):
    """A control plane's harness with a gateway and services behind it."""

    internships: EchoInstance
    auth: EchoInstance
    client: httpx.AsyncClient

    async def open(self, **gateway: Any) -> None:
        """Start everything; `gateway` is that part of the mesh file."""
        self.write_mesh(gateway=gateway)
        await self.start_control_plane()
        self._closing.push_async_callback(self.stop_control_plane)
        self.internships = await self.echo()
        await self.open_auth()
        self.client = httpx.AsyncClient(base_url=f"http://127.0.0.1:{self.listen}", timeout=WAIT_TIMEOUT_S)
        self._closing.push_async_callback(self.client.aclose)
        await self.envoy()
        await wait_until(self._serves, "the gateway to answer")

    async def open_auth(self) -> None:
        """Start the service that answers for auth."""
        self.auth = await self.echo("auth")
        self.auth.answers["GetJwks"] = published_jwks()

    async def _serves(self) -> bool:
        try:
            answers = [await self.client.get("/.well-known/jwks.json"), await self.ask_gateway()]
        except httpx.TransportError:
            return False
        return all(answer.status_code == 200 for answer in answers)


def read_head(port: int, path: str, headers: Mapping[str, str], body: bytes = b"") -> tuple[int, bytes]:
    """Return the status of an answer to HEAD, and what comes after its headers until the connection ends."""
    lines = [f"HEAD {path} HTTP/1.1", "host: gateway", "connection: close"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    lines += [f"content-length: {len(body)}"] if body else []
    with socket.create_connection(("127.0.0.1", port), timeout=WAIT_TIMEOUT_S) as client:
        client.sendall("\r\n".join((*lines, "", "")).encode() + body)
        answer = b"".join(iter(lambda: client.recv(65_536), b""))
    head, _, rest = answer.partition(b"\r\n\r\n")
    return int(head.split(b" ", 2)[1]), rest


@pytest.fixture
async def edge(tmp_path: Path) -> AsyncIterator[EdgeHarness]:
    async with AsyncExitStack() as closing:
        yield EdgeHarness(tmp_path, closing)
