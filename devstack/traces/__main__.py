"""Runs the trace store until SIGTERM."""

import argparse
import asyncio
import signal
from pathlib import Path
from typing import Final

import uvloop
from aiohttp import web

from devstack.topology_parts import LOOPBACK
from devstack.traces.receiver import start_receiver
from devstack.traces.server import build_app
from devstack.traces.store import TraceStore

_STOP_GRACE_S: Final = 5.0


async def run_trace_store(folder: Path, *, otlp_port: int, http_port: int) -> None:
    """Serve until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    store = TraceStore(folder / "spans.sqlite")
    receiver = await start_receiver(store, f"{LOOPBACK}:{otlp_port}")
    runner = web.AppRunner(build_app(store), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, LOOPBACK, http_port).start()
    print(f"traces: {len(store)} spans, OTLP on {otlp_port}, HTTP on {http_port}", flush=True)
    await stop.wait()
    await receiver.stop(_STOP_GRACE_S)
    await runner.cleanup()
    store.close()


def main() -> None:
    """Parse the ports and the folder, and run the trace store."""
    parser = argparse.ArgumentParser(prog="python -m devstack.traces")
    parser.add_argument("--otlp", type=int, required=True, help="port for OTLP over gRPC")
    parser.add_argument("--http", type=int, required=True, help="port for HTTP")
    parser.add_argument("--data", type=Path, required=True, help="folder for the spans")
    options = parser.parse_args()
    uvloop.run(run_trace_store(options.data, otlp_port=options.otlp, http_port=options.http))


if __name__ == "__main__":
    main()
