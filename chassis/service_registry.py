"""Addresses of serving processes, in a folder that their callers' control plane reads.

One file for each process, on which the process holds a lock for as long as it lives: one that is killed is
seen to be gone without any time-out.
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
    """One process that answers calls; one that is draining is to get no new ones."""

    service: str
    host: str
    port: int
    region: str
    role: str = "serve"
    draining: bool = False

    @classmethod
    def from_json(cls, content: bytes) -> Self:
        """From the content of its file. Raises ValueError when that is something else."""
        found: Any = orjson.loads(content)
        try:
            instance = cls(**found)
        except TypeError as error:
            raise ValueError(f"is no registration: {error}") from None
        if not (isinstance(instance.port, int) and isinstance(instance.host, str) and instance.service):
            raise ValueError("is no registration: service, host and port are needed")
        return instance


def reachable_host(listen_host: str) -> str:
    """Return the host under which callers on this machine reach a server that listens there."""
    return "127.0.0.1" if listen_host in _WILDCARD_HOSTS else listen_host


class RegistryEntry:
    """One process's entry in the folder."""

    def __init__(self, folder: Path, instance: ServiceInstance, *, entry_name: str = "") -> None:
        """Enters it; the folder is made when it is missing. Raises OSError.

        A process with several servers gives each entry a name of its own.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / f"{instance.service}-{entry_name or os.getpid()}.json"
        self._instance = instance
        self._lock = self._write(instance)

    def mark_draining(self) -> None:
        """Callers are to move on."""
        before = self._lock
        self._lock = self._write(replace(self._instance, draining=True))
        os.close(before)

    def remove(self) -> None:
        """Take the entry out."""
        self._path.unlink(missing_ok=True)
        os.close(self._lock)

    def _write(self, instance: ServiceInstance) -> int:
        """Write a file that is locked and complete before it gets its name; return its descriptor, which
        holds the lock."""
        unfinished = self._path.with_suffix(".new")
        descriptor = os.open(unfinished, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        os.write(descriptor, orjson.dumps(asdict(instance)))
        unfinished.rename(self._path)
        return descriptor
