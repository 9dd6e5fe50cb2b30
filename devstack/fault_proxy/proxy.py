"""The proxy: a listener for each store, and the active faults."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

from prometheus_client import Gauge

from chassis.observability.logging import get_logger
from devstack.fault_proxy.connection import ProxiedConnection
from devstack.fault_proxy.model import StoreFault, StoreFaults
from gateway.control_plane.watched_file import WatchedFile

POLL_INTERVAL_S: Final = 0.05
LISTEN_BACKLOG: Final = 1024

connections_gauge = Gauge("fault_proxy_connections", "Clients that are connected.", ("store",))
active_faults_gauge = Gauge("fault_proxy_faults", "1 while a store has this fault.", ("store", "kind"))
file_info_gauge = Gauge("fault_proxy_file_info", "1 for the version of the file that is obeyed.", ("digest",))

_log = get_logger()


@dataclass(frozen=True)
class StoreRoute:
    """The store `store` listens on the port `own`, its clients connect to `known`; both on `host`."""

    store: str
    known: int
    own: int
    host: str = "127.0.0.1"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse `redis-1=7101:7106`. Raises ValueError for another form."""
        store, _, ports = text.partition("=")
        known, _, own = ports.partition(":")
        return cls(store, int(known), int(own))

    def __str__(self) -> str:
        return f"{self.store}={self.known}:{self.own}"


class StoreListener:
    """The listener of one store."""

    def __init__(self, route: StoreRoute) -> None:
        self.route = route
        self._fault: StoreFault | None = None
        self._links: set[ProxiedConnection] = set()
        self._count = connections_gauge.labels(route.store)

    async def open(self) -> None:
        """Accept clients. Raises OSError when the port is taken."""
        self._server = await asyncio.get_running_loop().create_server(
            lambda: self._link().client, self.route.host, self.route.known, backlog=LISTEN_BACKLOG
        )

    async def close(self) -> None:
        """Stop listening and cut all connections."""
        self._server.close()
        for link in list(self._links):
            link.cut()

    @property
    def connections(self) -> int:
        """The number of connected clients."""
        return len(self._links)

    @property
    def held_bytes(self) -> int:
        """The bytes that wait here to be forwarded."""
        return sum(link.held_bytes for link in self._links)

    @property
    def is_overdue(self) -> bool:
        """Whether a fault is still in force that should have ended by itself."""
        return self._fault is not None and self._fault.is_expired(time.time())

    def apply_fault(self, fault: StoreFault | None) -> None:
        """Apply a fault from now on, to existing connections as well."""
        if fault == self._fault:
            return
        if self._fault is not None:
            active_faults_gauge.remove(self.route.store, self._fault.kind)
        if fault is not None:
            active_faults_gauge.labels(self.route.store, fault.kind).set(1)
        self._fault = fault
        for link in list(self._links):
            link.apply_fault(fault)
        _log.info("fault", store=self.route.store, fault=fault.model_dump() if fault else None)

    def _link(self) -> ProxiedConnection:
        link = ProxiedConnection((self.route.host, self.route.own), self._fault, self._forget)
        self._links.add(link)
        self._count.inc()
        return link

    def _forget(self, link: ProxiedConnection) -> None:
        self._links.discard(link)
        self._count.dec()


class FaultProxy:
    """All listeners of a stack, and the file that they follow."""

    def __init__(self, routes: Sequence[StoreRoute], file: WatchedFile[StoreFaults]) -> None:
        self._fronts = [StoreListener(route) for route in routes]
        self._file = file

    async def open(self) -> None:
        """Accept clients, with the faults of the file in force. Raises OSError when a port is taken."""
        self._apply_file()
        for front in self._fronts:
            await front.open()

    async def close(self) -> None:
        """Stop listening and cut all connections."""
        for front in self._fronts:
            await front.close()

    async def follow(self) -> None:
        """Apply each new version of the file, and end expired faults, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._follow_file())
            tasks.create_task(self._follow_time())

    async def _follow_file(self) -> None:
        async for _ in self._file.watch_values():
            self._apply_file()

    async def _follow_time(self) -> None:
        while True:
            await asyncio.sleep(POLL_INTERVAL_S)
            if any(front.is_overdue for front in self._fronts):
                self._apply_file()

    def _apply_file(self) -> None:
        now = time.time()
        for front in self._fronts:
            fault = self._file.value.get(front.route.store)
            front.apply_fault(None if fault is None or fault.is_expired(now) else fault)
        file_info_gauge.clear()
        file_info_gauge.labels(self._file.digest).set(1)
