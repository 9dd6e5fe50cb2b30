"""The record of what a stack's stores were prepared with.

A later start prepares them again only when the code, the shards or the services' passwords differ: to know
what the services declare, all their code has to be imported. `ic provision` prepares them in any case.
"""

import hashlib
import json
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from devstack.credentials import Credentials
from devstack.topology import Topology
from ops import provision
from ops.paths import REPO

_DECLARING_FOLDERS: Final = ("chassis", "ops", "protos", "services")
_DECLARING_SUFFIXES: Final = frozenset({".proto", ".py"})


class PreparedStores:
    """The record of one stack."""

    def __init__(self, topology: Topology, credentials: Credentials) -> None:
        self._topology = topology
        self._credentials = credentials

    def have_collections(self) -> bool:
        """Return whether users, collections and indexes are those of the present code."""
        return self._read().get("collections") == self._fingerprint

    def record_collections(self) -> None:
        """Record that users, collections and indexes are those of the present code."""
        self._write({"collections": self._fingerprint})

    def have_queues(self) -> bool:
        """Return whether the broker has the queues of the present code."""
        recorded = self._read()
        if recorded.get("queues_of") == self._fingerprint:
            return True
        return "queues" in recorded and recorded["queues"] == provision.describe_queues()

    def record_queues(self) -> None:
        """Record that the broker has the queues of the present code."""
        self._write({"queues_of": self._fingerprint, "queues": provision.describe_queues()})

    @cached_property
    def _fingerprint(self) -> str:
        digest = hashlib.sha256()
        for path in _declaring_files():
            digest.update(f"{path.relative_to(REPO)}\n".encode())
            digest.update(path.read_bytes())
        shards = [(shard.name, shard.uri) for shard in self._topology.shards]
        passwords = [(name, each.mongo_password) for name, each in self._credentials.services.items()]
        digest.update(json.dumps([shards, passwords]).encode())
        return digest.hexdigest()

    def _read(self) -> dict[str, Any]:
        try:
            found = json.loads(self._topology.prepared_stores_file.read_text())
        except (FileNotFoundError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def _write(self, news: dict[str, Any]) -> None:
        self._topology.prepared_stores_file.write_text(json.dumps(self._read() | news, indent=2))


def _declaring_files() -> list[Path]:
    """Return the files that decide what the stores hold, in a fixed order."""
    return sorted(
        path
        for folder in _DECLARING_FOLDERS
        for path in (REPO / folder).rglob("*")
        if path.suffix in _DECLARING_SUFFIXES
    )
