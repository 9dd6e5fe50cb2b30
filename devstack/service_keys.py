"""The services' signing keys. Apart from the other secrets, as they need a library that is slow to import."""

import json
from collections.abc import Iterable

from devstack.credentials import service_jwks_path, service_key_path, write_private_file
from devstack.topology import Topology
from ops.service_keys import new_service_key, public_jwks


def ensure_service_keys(topology: Topology, services: Iterable[str]) -> None:
    """Make each service's ES256 key where it is missing, and publish all public keys as one JWKS."""
    keys = {}
    for service in services:
        path = service_key_path(topology, service)
        if not path.exists():
            write_private_file(path, new_service_key())
        keys[service] = path.read_text()
    write_private_file(service_jwks_path(topology), json.dumps(public_jwks(keys), indent=2))
