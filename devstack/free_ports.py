"""Which ports of the loopback interface are free."""

import socket

from devstack.topology_parts import LOOPBACK


def is_port_free(port: int) -> bool:
    """Return whether no process listens on this port of the loopback interface."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True
