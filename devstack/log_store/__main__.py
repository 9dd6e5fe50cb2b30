"""Runs the log store until SIGTERM."""

import argparse
import signal
from pathlib import Path
from threading import Event

from devstack.log_store.server import LogStoreServer


def main() -> None:
    """Parse the arguments, start the server, and delete old lines until SIGTERM or its end."""
    parser = argparse.ArgumentParser(prog="python -m devstack.log_store")
    parser.add_argument("--http", type=int, required=True, help="port for HTTP")
    parser.add_argument("--binary", type=Path, required=True, help="the server's program")
    options = parser.parse_args()
    stop = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with LogStoreServer(options.binary, options.http) as server:
        server.prepare()
        print(f"logs: HTTP on {options.http}", flush=True)
        server.prune_until(stop)


if __name__ == "__main__":
    main()
