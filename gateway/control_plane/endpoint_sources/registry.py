"""Endpoints of processes on this machine, from the folder in which they register themselves."""

import asyncio
import fcntl
import os
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Final

from chassis.observability.logging import get_logger
from chassis.service_registry import ServiceInstance
from gateway.control_plane import metrics
from gateway.xds.endpoints import Endpoint, EndpointsByService

POLL_INTERVAL_S: Final = 0.4
"""A process that was killed has to be out within a second."""

_log = get_logger()


class RegistryEndpointSource:
    """Looks into the folder twice a second; a process that no longer holds its lock is gone."""

    def __init__(self, folder: Path, *, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        self._folder = folder
        self._sleep = sleep
        self._unreadable: set[Path] = set()

    async def watch(self) -> AsyncIterator[EndpointsByService]:
        last_sent: EndpointsByService | None = None
        while True:
            found = self._scan(last_sent)
            if found != last_sent and found is not None:
                last_sent = found
                yield found
            await self._sleep(POLL_INTERVAL_S)

    def _scan(self, last_sent: EndpointsByService | None) -> EndpointsByService | None:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            return _group_by_service(self._locked_instances())
        except OSError as error:
            metrics.source_errors.labels("registry").inc()
            _log.error("registry cannot be read", folder=str(self._folder), error=str(error))
            return last_sent

    def _locked_instances(self) -> Iterator[ServiceInstance]:
        for path in sorted(self._folder.glob("*.json")):
            content = _read_if_locked(path)
            if content is not None:
                yield from self._parse_instance(path, content)

    def _parse_instance(self, path: Path, content: bytes) -> Iterator[ServiceInstance]:
        try:
            yield ServiceInstance.from_json(content)
            self._unreadable.discard(path)
        except ValueError as error:
            if path not in self._unreadable:
                self._unreadable.add(path)
                metrics.source_errors.labels("registry").inc()
                _log.warning("registration cannot be read", file=str(path), error=str(error))


def _group_by_service(instances: Iterator[ServiceInstance]) -> EndpointsByService:
    found: defaultdict[str, list[Endpoint]] = defaultdict(list)
    for one in instances:
        found[one.service].append(Endpoint(one.host, one.port, one.region, one.draining))
    return {service: tuple(sorted(endpoints)) for service, endpoints in sorted(found.items())}


def _read_if_locked(path: Path) -> bytes | None:
    """Return the file's content; None, after deleting the file, when no process holds its lock any more."""
    try:
        with path.open("rb") as file:
            if _is_locked(file.fileno()):
                return file.read()
            if path.stat().st_ino == os.fstat(file.fileno()).st_ino:
                path.unlink()
                return None
        # Replaced by its owner between the two reads.
        return path.read_bytes()
    except FileNotFoundError:
        return None


def _is_locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False
