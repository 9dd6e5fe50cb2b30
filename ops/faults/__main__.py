"""Runs the proxy until it is told to stop: `python -m ops.faults --file F --ops 6010 redis-1=7101:7106`."""

import argparse
import asyncio
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import uvloop

from chassis.observability import logging
from chassis.ops_server import OpsServer
from chassis.readiness import Readiness
from gateway.control_plane.files import WatchedFile
from ops.faults import model
from ops.faults.proxy import LOOK_EVERY_S, Proxy, Route

NAME: Final = "fault-proxy"


async def run(routes: Sequence[Route], file: Path, *, ops_port: int) -> None:
    """Passes connections on until SIGTERM or SIGINT. Raises OSError when a port is taken."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    proxy = Proxy(routes, WatchedFile(file, model.parse, every_s=LOOK_EVERY_S))
    await proxy.open()
    following = asyncio.create_task(proxy.follow())
    ops = OpsServer(Readiness(()))
    await ops.start(routes[0].host, ops_port)
    logging.get_logger().info("started", routes=[str(route) for route in routes])
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait((stopping, following), return_when=asyncio.FIRST_COMPLETED)
    if following.done():
        # Faults would stay as they are for ever; the supervisor starts a proxy that obeys.
        following.result()
    following.cancel()
    await ops.stop()
    await proxy.close()


def main() -> None:
    """Reads where the stores are and which file to follow."""
    parser = argparse.ArgumentParser(prog="python -m ops.faults")
    parser.add_argument("--file", type=Path, required=True, help="the file of faults")
    parser.add_argument("--ops", type=int, required=True, help="port for /health, /ready and /metrics")
    parser.add_argument("routes", type=Route.parse, nargs="+", metavar="STORE=KNOWN_PORT:OWN_PORT")
    options = parser.parse_args()
    logging.configure(NAME, "serve", level="INFO")
    uvloop.run(run(options.routes, options.file, ops_port=options.ops))


if __name__ == "__main__":
    main()
