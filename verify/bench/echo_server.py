"""A bare gRPC server in a process of its own, which answers every call with the same 500 bytes."""

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

from chassis.grpc.engine.engines import EngineName
from devstack.topology_parts import LOOPBACK
from ops.errors import OpsError
from verify.bench.child_process import checkout_environment, module_command

ECHO_SERVICE: Final = "bench.Echo"
ECHO_METHOD: Final = f"/{ECHO_SERVICE}/Say"
ECHO_RESPONSE: Final = b"e" * 500
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


async def _serve(engine: str) -> None:
    async def say(_request: bytes, _context: object) -> bytes:
        return ECHO_RESPONSE

    handlers: Any = {ECHO_METHOD.rpartition("/")[2]: grpc.unary_unary_rpc_method_handler(say)}
    server = _build_server(engine)
    server.add_registered_method_handlers(ECHO_SERVICE, handlers)
    port = server.add_insecure_port(f"{LOOPBACK}:0")
    await server.start()
    print(port, flush=True)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await stop.wait()
    await server.stop(0)


if __name__ == "__main__":
    uvloop.run(_serve(sys.argv[1]))
