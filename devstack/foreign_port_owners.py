"""Processes of a stack that outlived their supervisor, and other programs on a stack's ports."""

from collections.abc import Iterable
from contextlib import suppress

import psutil

from devstack.free_ports import is_port_free
from devstack.supervisor import STACK_MARKER
from devstack.topology import Topology

TERMINATE_TIMEOUT_S = 10.0


def find_stack_processes(topology: Topology) -> list[psutil.Process]:
    """Return every living process that this stack started, recognised by a variable in its environment."""
    return [process for process in psutil.process_iter() if _belongs_to_stack(process, str(topology.root))]


def terminate_processes(processes: Iterable[psutil.Process]) -> None:
    """Terminate these processes and no others: by SIGTERM, then by SIGKILL."""
    remaining = list(processes)
    for process in remaining:
        with suppress(psutil.NoSuchProcess):
            process.terminate()
    _gone, stubborn = psutil.wait_procs(remaining, timeout=TERMINATE_TIMEOUT_S)
    for process in stubborn:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(stubborn, timeout=TERMINATE_TIMEOUT_S)


def find_foreign_port_owners(ports: Iterable[int]) -> dict[int, str]:
    """Return those of these ports that are taken, each with its owner as far as it is visible."""
    taken = [port for port in ports if not is_port_free(port)]
    return {port: _port_owner(port) for port in taken}


def _belongs_to_stack(process: psutil.Process, root: str) -> bool:
    try:
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        return process.environ().get(STACK_MARKER) == root
    except psutil.Error:
        return False


def _port_owner(port: int) -> str:
    try:
        connections = psutil.net_connections(kind="tcp")
    except psutil.AccessDenied:
        return "another process"
    for connection in connections:
        listens = connection.status == psutil.CONN_LISTEN and connection.laddr[1:] == (port,)
        if listens and connection.pid:
            return f"{psutil.Process(connection.pid).name()} (pid {connection.pid})"
    return "another process"
