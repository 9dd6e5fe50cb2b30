"""An Envoy that answers by itself: without upstream and without filters."""

import json
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from devstack import binaries
from devstack.probes import probe_port
from devstack.topology_parts import LOOPBACK
from gateway import envoy_types as types
from gateway.envoy_types import socket_address, typed_extension
from ops.errors import OpsError
from ops.waiting import wait_until
from verify.bench.echo_server import ECHO_RESPONSE, STOP_TIMEOUT_S, EchoServer
from verify.bench.server_process import find_free_ports

START_TIMEOUT_S: Final = 10.0


@contextmanager
def running_direct_envoy() -> Iterator[EchoServer]:
    """Start it with one worker, as the gateway has, and stop it afterwards. Raises OpsError."""
    [port] = find_free_ports(1)
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "envoy.json"
        config.write_text(json.dumps(_envoy_bootstrap(port)))
        options = ("--concurrency", "1", "--disable-hot-restart", "--log-level", "error")
        command = [str(binaries.envoy_proxy()), *options, "-c", str(config)]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as envoy:
            try:
                _wait_until_open(port)
                yield EchoServer(port, envoy.pid)
            finally:
                envoy.terminate()
                envoy.wait(STOP_TIMEOUT_S)


def _envoy_bootstrap(port: int) -> dict[str, Any]:
    answer = {"status": 200, "body": {"inline_string": ECHO_RESPONSE.decode()}}
    host = {
        "name": "all",
        "domains": ["*"],
        "routes": [{"match": {"prefix": "/"}, "direct_response": answer}],
    }
    manager = typed_extension(
        "envoy.filters.network.http_connection_manager",
        types.HTTP_CONNECTION_MANAGER,
        stat_prefix="direct",
        route_config={"virtual_hosts": [host]},
        http_filters=[typed_extension("envoy.filters.http.router", types.ROUTER)],
    )
    listener = {"address": socket_address(LOOPBACK, port), "filter_chains": [{"filters": [manager]}]}
    return {"static_resources": {"listeners": [listener]}}


def _wait_until_open(port: int) -> None:
    if not wait_until(lambda: probe_port(port).ready, timeout_s=START_TIMEOUT_S, interval_s=0.05):
        raise OpsError("the Envoy to compare with does not start")
