"""Server processes of a measurement's own, which end with it."""

import json
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from devstack import binaries
from devstack.probes import probe_http
from devstack.process import StackProcess
from devstack.supervisor import STACK_MARKER, read_last_lines
from devstack.topology_parts import LOOPBACK
from gateway.envoy.bootstrap import EnvoyNode, build_bootstrap
from ops.errors import OpsError
from ops.waiting import wait_until
from verify.bench.child_process import checkout_environment, module_command
from verify.bench.target import BenchmarkTarget

START_TIMEOUT_S: Final = 60.0
STOP_TIMEOUT_S: Final = 20.0
PROBE_INTERVAL_S: Final = 0.1
SHOWN_LOG_LINES: Final = 10


@contextmanager
def running_process(
    command: Sequence[str], environment: Mapping[str, str], is_ready: Callable[[], bool]
) -> Iterator[int]:
    """Run a process until the block ends, and yield its ID once it is ready; its output goes to a file.

    `environment` is added to that of this checkout.

    Raises:
        OpsError: it ends, or is not ready within a minute; the message holds its last lines.
    """
    with tempfile.NamedTemporaryFile(prefix="ic-bench-", suffix=".log") as log:
        started = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={**checkout_environment(), **environment},
        )
        try:
            wait_until(
                lambda: started.poll() is not None or is_ready(),
                timeout_s=START_TIMEOUT_S,
                interval_s=PROBE_INTERVAL_S,
            )
            if started.poll() is not None or not is_ready():
                lines = "\n".join(read_last_lines(Path(log.name), SHOWN_LOG_LINES))
                raise OpsError(f"{command[-1]} of the measurement does not start:\n{lines}")
            yield started.pid
        finally:
            _stop_process(started)


@contextmanager
def running_beside(
    field: BenchmarkTarget, process: StackProcess, **changed: str
) -> Iterator[tuple[int, int]]:
    """Run a process of the stack a second time, on ports of its own; yield its gRPC port and its ID.

    `changed` are the variables of its environment that differ. Raises OpsError when it does not start.
    """
    environment = {STACK_MARKER: str(field.topology.root), **process.environment, **changed}
    with _running_on_free_ports(process.command, environment) as found:
        yield found


@contextmanager
def running_module(module: str) -> Iterator[tuple[int, int]]:
    """Run a process in the chassis's frame from this checkout; yield its gRPC port and its ID.

    Raises OpsError when it does not start.
    """
    with _running_on_free_ports(module_command(module), {"IC_LISTEN_HOST": LOOPBACK}) as found:
        yield found


@contextmanager
def _running_on_free_ports(
    command: Sequence[str], environment: Mapping[str, str]
) -> Iterator[tuple[int, int]]:
    grpc_port, ops_port = find_free_ports(2)
    ports = {"IC_GRPC_PORT": str(grpc_port), "IC_OPS_PORT": str(ops_port)}
    with running_process(
        command, {**environment, **ports}, lambda: probe_http(ops_port, "/ready").ready
    ) as pid:
        yield grpc_port, pid


@contextmanager
def running_envoy(node: EnvoyNode, folder: Path, is_ready: Callable[[], bool]) -> Iterator[int]:
    """Run an Envoy with one worker, which the node's control plane configures; yield its ID.

    Its bootstrap goes into the folder. Raises OpsError when it does not start.
    """
    config = folder / f"{node.id}.json"
    config.write_text(json.dumps(build_bootstrap(node)))
    options = ("--concurrency", "1", "--disable-hot-restart", "--log-level", "warning")
    command = [str(binaries.envoy_proxy()), *options, "-c", str(config)]
    with running_process(command, {}, is_ready) as pid:
        yield pid


def find_free_ports(count: int) -> list[int]:
    """Return different ports that nobody listens on."""
    sockets = [socket.create_server((LOOPBACK, 0)) for _ in range(count)]
    try:
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


def _stop_process(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
