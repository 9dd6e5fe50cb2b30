"""Ports that nobody has."""

import socket

from ops.stack.topology import LOOPBACK


def free_port() -> int:
    with socket.create_server((LOOPBACK, 0)) as free:
        port: int = free.getsockname()[1]
        return port
