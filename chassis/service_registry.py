"""The registry: addresses of serving processes, in a folder that the control plane reads.

Each process has a file, which it locks while it lives: one that is killed is recognised without any time-out.
"""

import fcntl
import os
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Self

import orjson

_WILDCARD_HOSTS = ("0.0.0.0", "::", "")  # noqa: S104


@dataclass(frozen=True, slots=True)
class ServiceInstance:
    """One process that answers calls; one that is draining gets no new ones."""

    service: str
    host: str
    port: int
    region: str
    role: str = "serve"
    draining: bool = False

    @classmethod
    def from_json(cls, content: bytes) -> Self:
        """Parse the content of the process's file. Raises ValueError when it is invalid."""
        found: Any = orjson.loads(content)
        try:
            instance = cls(**found)
        except TypeError as error:
            raise ValueError(f"is no registration: {error}") from None
        if not (isinstance(instance.port, int) and isinstance(instance.host, str) and instance.service):
            raise ValueError("is no registration: service, host and port are needed")
        return instance


def reachable_host(listen_host: str) -> str:
    """Return the host under which callers on this machine reach a server that listens on `listen_host`."""
    return "127.0.0.1" if listen_host in _WILDCARD_HOSTS else listen_host


class RegistryEntry:
    """One process's entry in the folder."""

    def __init__(self, folder: Path, instance: ServiceInstance, *, entry_name: str = "") -> None:
        """Write the entry; the folder is created when it is missing. Raises OSError.

        A process with several servers gives each entry a name of its own.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / f"{instance.service}-{entry_name or os.getpid()}.json"
        self._instance = instance
        self._lock = self._write(instance)

    def mark_draining(self) -> None:
        """Mark the process as draining: callers move to others."""
        before = self._lock
        self._lock = self._write(replace(self._instance, draining=True))
        os.close(before)

    def remove(self) -> None:
        """Remove the entry."""
        self._path.unlink(missing_ok=True)
        os.close(self._lock)

    def _write(self, instance: ServiceInstance) -> int:
        """Write a file, locked before it gets its name; return its descriptor, which holds the lock."""
        unfinished = self._path.with_suffix(".new")
        descriptor = os.open(unfinished, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        os.write(descriptor, orjson.dumps(asdict(instance)))
        unfinished.rename(self._path)
        return descriptor
