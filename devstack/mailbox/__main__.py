"""Runs the mailbox until SIGTERM."""

import argparse
import asyncio
import signal
from pathlib import Path

import uvloop

from devstack.mailbox.server import start_mailbox
from devstack.mailbox.store import MailStore


async def run_mailbox(folder: Path, *, smtp_port: int, http_port: int) -> None:
    """Serve until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    store = MailStore(folder)
    runner = await start_mailbox(store, smtp_port=smtp_port, http_port=http_port)
    print(f"mailbox: {len(store)} mails, SMTP on {smtp_port}, HTTP on {http_port}", flush=True)
    await stop.wait()
    await runner.cleanup()


def main() -> None:
    """Parse the ports and the folder, and run the mailbox."""
    parser = argparse.ArgumentParser(prog="python -m devstack.mailbox")
    parser.add_argument("--smtp", type=int, required=True, help="port for SMTP")
    parser.add_argument("--http", type=int, required=True, help="port for HTTP")
    parser.add_argument("--data", type=Path, required=True, help="folder for the mails")
    options = parser.parse_args()
    uvloop.run(run_mailbox(options.data, smtp_port=options.smtp, http_port=options.http))


if __name__ == "__main__":
    main()
