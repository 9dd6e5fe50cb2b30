"""Ports for the servers of tests."""

import random
import socket
from typing import Final

from devstack.topology_parts import LOOPBACK

_PORTS: Final = range(10_000, 20_000)
"""Below those that stacks have, and those that the kernel gives to connections at any moment."""


def free_port() -> int:
    """Return a port on which nothing listens now."""
    while True:
        port = random.choice(_PORTS)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((LOOPBACK, port))
            except OSError:
                continue
        return port
