"""A rate limit service of a test's own, as a process, and how it is asked."""

import os
import re
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import httpx
from envoy.extensions.common.ratelimit.v3 import ratelimit_pb2
from envoy.service.ratelimit.v3 import rls_pb2, rls_pb2_grpc
from google.protobuf.wrappers_pb2 import UInt64Value

from ops.paths import REPO
from tests.ports import free_port
from tests.stack import StackHandle, wait_until_blocking
from tests.waiting import WAIT_TIMEOUT_S

RATE_LIMIT_TIMEOUT_S = WAIT_TIMEOUT_S
SLOW_REDIS_SETTINGS = {"IC_REDIS_ANSWER_WITHIN_S": "5"}
"""Redis may take longer than the usual bound on a busy machine, which must not matter to the counts."""

OK, OVER_LIMIT = rls_pb2.RateLimitResponse.OK, rls_pb2.RateLimitResponse.OVER_LIMIT


@dataclass
class LaunchedRateLimiter:
    """One running process."""

    popen: "subprocess.Popen[str]"
    grpc_port: int
    ops_port: int
    log: Path

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.grpc_port}"

    def ops(self, path: str) -> httpx.Response:
        return httpx.get(f"http://127.0.0.1:{self.ops_port}{path}", timeout=WAIT_TIMEOUT_S)

    def metric(self, name: str, **labels: str) -> float:
        """Return the value of a metric, 0 while there is none with these labels."""
        wanted = ",".join(f'{key}="{value}"' for key, value in labels.items())
        series = name + (f"{{{wanted}}}" if wanted else "")
        found = re.search(rf"^{re.escape(series)} (\S+)$", self.ops("/metrics").text, re.MULTILINE)
        return float(found[1]) if found else 0.0

    def written(self) -> str:
        """Return its output so far."""
        return self.log.read_text()

    def await_ready(self) -> None:
        wait_until_blocking(self._is_ready, "the rate limit service to be ready", within_s=60)

    def end(self) -> int:
        """Ask it to stop; return its exit status."""
        if self.popen.poll() is None:
            self.popen.send_signal(signal.SIGTERM)
        return self.popen.wait(timeout=30)

    def _is_ready(self) -> bool:
        assert self.popen.poll() is None, self.written()
        try:
            return self.ops("/ready").status_code == 200
        except httpx.TransportError:
            return False


class RateLimiterLauncher:
    """Starts services against the stack under test."""

    def __init__(self, stack: StackHandle, folder: Path) -> None:
        self._stack = stack
        self._folder = folder
        self.started: list[LaunchedRateLimiter] = []

    def __call__(self, **settings: str) -> LaunchedRateLimiter:
        grpc_port, ops_port = free_port(), free_port()
        own = {
            "IC_GRPC_PORT": str(grpc_port),
            "IC_OPS_PORT": str(ops_port),
            "IC_LISTEN_HOST": "127.0.0.1",
            "IC_REDIS_NODES": ",".join(f"{host}:{port}" for host, port in self._stack.redis_nodes),
            "IC_REDIS_PASSWORD": self._stack.credentials.redis_password,
            "PATH": os.environ["PATH"],
            "PYTHONPATH": os.pathsep.join([str(REPO), str(REPO / "gen")]),
        }
        log = self._folder / f"service-{len(self.started)}.log"
        with log.open("w") as out:
            popen = subprocess.Popen(
                [sys.executable, "-m", "gateway.ratelimit"],
                cwd=REPO,
                env=own | settings,
                stdout=out,
                stderr=subprocess.STDOUT,
                text=True,
            )
        self.started.append(LaunchedRateLimiter(popen, grpc_port, ops_port, log))
        return self.started[-1]

    def end_all(self) -> None:
        """Stop all services that still run."""
        for service in self.started:
            if service.popen.poll() is None:
                service.popen.kill()
                service.popen.wait()


class RateLimitClient:
    """Sends requests as Envoy does."""

    def __init__(self, address: str, domain: str = "internshipconnect") -> None:
        self._channel = grpc.aio.insecure_channel(address)
        self._stub: Any = rls_pb2_grpc.RateLimitServiceStub(self._channel)
        self._domain = domain

    async def ask(self, *descriptors: Any) -> Any:
        """Return the answer to one request."""
        request = rls_pb2.RateLimitRequest(domain=self._domain, descriptors=descriptors)
        return await self.send(request)

    async def send(self, request: Any) -> Any:
        return await self._stub.ShouldRateLimit(request, timeout=RATE_LIMIT_TIMEOUT_S)

    async def passes(self, *descriptors: Any) -> bool:
        return bool((await self.ask(*descriptors)).overall_code == OK)

    async def close(self) -> None:
        await self._channel.close()


def build_descriptor(*entries: tuple[str, str], hits: int = 1) -> Any:
    """Return a descriptor."""
    pairs = [ratelimit_pb2.RateLimitDescriptor.Entry(key=key, value=value) for key, value in entries]
    return ratelimit_pb2.RateLimitDescriptor(entries=pairs, hits_addend=UInt64Value(value=hits))


def headers_of(answer: Any) -> dict[str, str]:
    return {header.key: header.value for header in answer.response_headers_to_add}
