"""Runs the proxy until SIGTERM: `python -m devstack.fault_proxy --file F --ops 6010 redis-1=7101:7106`."""

import argparse
import asyncio
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import uvloop

from chassis.observability import logging
from chassis.ops_server import OpsServer
from chassis.readiness import ReadinessProbe
from devstack.fault_proxy import model
from devstack.fault_proxy.proxy import POLL_INTERVAL_S, FaultProxy, StoreRoute
from gateway.control_plane.watched_file import WatchedFile

PROCESS_NAME: Final = "fault-proxy"


async def run_fault_proxy(routes: Sequence[StoreRoute], file: Path, *, ops_port: int) -> None:
    """Forward connections until SIGTERM or SIGINT. Raises OSError when a port is taken."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    proxy = FaultProxy(routes, WatchedFile(file, model.parse_store_faults, poll_interval_s=POLL_INTERVAL_S))
    await proxy.open()
    following = asyncio.create_task(proxy.follow())
    ops = OpsServer(ReadinessProbe(()))
    await ops.start(routes[0].host, ops_port)
    logging.get_logger().info("started", routes=[str(route) for route in routes])
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait((stopping, following), return_when=asyncio.FIRST_COMPLETED)
    if following.done():
        # Faults would stay as they are for ever; the supervisor starts a new proxy, which reads the file.
        following.result()
    following.cancel()
    await ops.stop()
    await proxy.close()


def main() -> None:
    """Parse the routes and the options, and run the proxy."""
    parser = argparse.ArgumentParser(prog="python -m devstack.fault_proxy")
    parser.add_argument("--file", type=Path, required=True, help="the file of faults")
    parser.add_argument("--ops", type=int, required=True, help="port for /health, /ready and /metrics")
    parser.add_argument("routes", type=StoreRoute.parse, nargs="+", metavar="STORE=KNOWN_PORT:OWN_PORT")
    options = parser.parse_args()
    logging.configure_logging(PROCESS_NAME, "serve", level="INFO")
    uvloop.run(run_fault_proxy(options.routes, options.file, ops_port=options.ops))


if __name__ == "__main__":
    main()
