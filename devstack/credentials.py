"""The secrets of one stack: generated once, stored in files that only their owner can read, never printed."""

import os
from datetime import datetime
from pathlib import Path
from typing import Self

from pydantic import BaseModel, Field

from devstack.topology import Topology
from ops.secret_values import new_key, new_password

OWNER_ONLY_MODE = 0o600


class ServiceSecrets(BaseModel):
    """The secrets of one service."""

    mongo_password: str = Field(default_factory=new_password, repr=False)
    data_key: str = Field(default_factory=new_key, repr=False)
    other_data_keys: list[str] = Field(default_factory=list, repr=False)
    data_key_time: datetime | None = None
    """When the data key became that; None: with the stack."""


class Credentials(BaseModel):
    """All passwords and symmetric keys of one stack."""

    mongo_admin_password: str = Field(default_factory=new_password, repr=False)
    mongo_key: str = Field(default_factory=new_key, repr=False)
    redis_password: str = Field(default_factory=new_password, repr=False)
    rabbit_password: str = Field(default_factory=new_password, repr=False)
    erlang_cookie: str = Field(default_factory=new_password, repr=False)
    page_token_key: str = Field(default_factory=new_key, repr=False)
    services: dict[str, ServiceSecrets] = Field(default_factory=dict, repr=False)

    @classmethod
    def load_or_create(cls, topology: Topology) -> Self:
        """Read the stack's secrets, and generate missing ones."""
        path = topology.secrets_folder / "secrets.json"
        found = cls.model_validate_json(path.read_text()) if path.exists() else cls()
        missing = topology.services.keys() - found.services.keys()
        found.services |= {name: ServiceSecrets() for name in missing}
        if missing or not path.exists():
            found.save(topology)
        return found

    def save(self, topology: Topology) -> None:
        """Write the stack's secrets."""
        write_private_file(topology.secrets_folder / "secrets.json", self.model_dump_json(indent=2))

    def amqp_url(self, topology: Topology) -> str:
        """Return the URL by which the services reach the stack's broker; of several, all of them."""
        return ";".join(
            f"amqp://ic:{self.rabbit_password}@127.0.0.1:{broker.amqp}/ic" for broker in topology.brokers
        )


def service_key_path(topology: Topology, service: str) -> Path:
    """Return the path of a service's own private signing key."""
    return topology.secrets_folder / "keys" / f"{service}.pem"


def service_jwks_path(topology: Topology) -> Path:
    """Return the path of the public keys of all services."""
    return topology.etc_folder / "service-jwks.json"


def write_private_file(path: Path, text: str) -> None:
    """Write a file that only its owner can read, from its first byte on, as a whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    written = path.with_name(f".{path.name}.{os.getpid()}")
    written.unlink(missing_ok=True)
    with os.fdopen(os.open(written, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_ONLY_MODE), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    written.replace(path)
