"""An Envoy of its own that answers by itself: nothing behind it, no filter before its answer."""

import json
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from gateway import envoy_types as types
from gateway.envoy_types import address, extension
from ops.bench.echo import ANSWER, STOPS_WITHIN_S, Echo
from ops.errors import OpsError
from ops.stack import binaries
from ops.stack.probes import port_open
from ops.stack.topology import LOOPBACK

STARTS_WITHIN_S: Final = 10.0


@contextmanager
def running_direct() -> Iterator[Echo]:
    """Starts it with one worker, as the gateway has, and stops it afterwards. Raises OpsError."""
    port = _free_port()
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "envoy.json"
        config.write_text(json.dumps(_bootstrap(port)))
        options = ("--concurrency", "1", "--disable-hot-restart", "--log-level", "error")
        command = [str(binaries.envoy_proxy()), *options, "-c", str(config)]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as envoy:
            try:
                _await(port)
                yield Echo(port, envoy.pid)
            finally:
                envoy.terminate()
                envoy.wait(STOPS_WITHIN_S)


def _bootstrap(port: int) -> dict[str, Any]:
    answer = {"status": 200, "body": {"inline_string": ANSWER.decode()}}
    host = {
        "name": "all",
        "domains": ["*"],
        "routes": [{"match": {"prefix": "/"}, "direct_response": answer}],
    }
    manager = extension(
        "envoy.filters.network.http_connection_manager",
        types.HTTP_CONNECTION_MANAGER,
        stat_prefix="direct",
        route_config={"virtual_hosts": [host]},
        http_filters=[extension("envoy.filters.http.router", types.ROUTER)],
    )
    listener = {"address": address(LOOPBACK, port), "filter_chains": [{"filters": [manager]}]}
    return {"static_resources": {"listeners": [listener]}}


def _free_port() -> int:
    with socket.create_server((LOOPBACK, 0)) as free:
        port: int = free.getsockname()[1]
        return port


def _await(port: int) -> None:
    until = time.monotonic() + STARTS_WITHIN_S
    while not port_open(port).ready:
        if time.monotonic() > until:
            raise OpsError("the Envoy to compare with does not start")
        time.sleep(0.05)
