"""A bare gRPC server in a process of its own, which answers every call with the same bytes."""

import asyncio
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import grpc
import pygrpc_native.aio
import uvloop
from grpc_health.v1 import health_pb2

from chassis.grpc.engine.engines import EngineName
from devstack.topology_parts import LOOPBACK
from ops.errors import OpsError
from verify.bench.child_process import checkout_environment, module_command
from verify.bench.constant_read import GET_METHOD, GET_RESPONSE

ECHO_METHOD: Final = "/bench.Echo/Say"
ECHO_RESPONSE: Final = b"e" * 500
HEALTH_METHOD: Final = "/grpc.health.v1.Health/Check"
HEALTHY_RESPONSE: Final = health_pb2.HealthCheckResponse(
    status=health_pb2.HealthCheckResponse.SERVING
).SerializeToString()
CONSTANT_RESPONSES: Final = {
    ECHO_METHOD: ECHO_RESPONSE,
    GET_METHOD: GET_RESPONSE,
    HEALTH_METHOD: HEALTHY_RESPONSE,
}
"""By method: the echo, and what a gateway asks a service for."""
STOP_TIMEOUT_S: Final = 5.0


@dataclass(frozen=True)
class EchoServer:
    """A running echo server."""

    port: int
    pid: int

    @property
    def target(self) -> str:
        """Its address, `host:port`."""
        return f"{LOOPBACK}:{self.port}"


@contextmanager
def running_echo_server(engine: EngineName = "grpcio") -> Iterator[EchoServer]:
    """Start an echo server of that library and stop it afterwards. Raises OpsError if it does not start."""
    with subprocess.Popen(
        [*module_command(__name__), engine], stdout=subprocess.PIPE, text=True, env=checkout_environment()
    ) as server:
        try:
            said = server.stdout.readline().strip() if server.stdout else ""
            if not said:
                raise OpsError("the echo server does not start")
            yield EchoServer(int(said), server.pid)
        finally:
            _stop_server(server)


def _stop_server(server: subprocess.Popen[str]) -> None:
    server.terminate()
    try:
        server.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        server.kill()


def _build_server(engine: str) -> Any:
    return grpc.aio.server() if engine == "grpcio" else pygrpc_native.aio.Server(io_threads=1)


def _constant_handler(response: bytes) -> Any:
    async def answer(_request: bytes, _context: object) -> bytes:
        return response

    return grpc.unary_unary_rpc_method_handler(answer)


async def _serve(engine: str) -> None:
    server = _build_server(engine)
    for path, response in CONSTANT_RESPONSES.items():
        _, service, method = path.split("/")
        server.add_registered_method_handlers(service, {method: _constant_handler(response)})
    port = server.add_insecure_port(f"{LOOPBACK}:0")
    await server.start()
    print(port, flush=True)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await stop.wait()
    await server.stop(0)


if __name__ == "__main__":
    uvloop.run(_serve(sys.argv[1]))
