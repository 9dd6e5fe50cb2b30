"""The services' signing keys. Apart from the other secrets, as they need a library that is slow to import."""

import json
from collections.abc import Iterable
from pathlib import Path

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from devstack.credentials import service_jwks_path, service_key_path, write_private_file
from devstack.topology import Topology


def ensure_service_keys(topology: Topology, services: Iterable[str]) -> None:
    """Make each service's ES256 key where it is missing, and publish all public keys as one JWKS."""
    public = []
    for service in services:
        path = service_key_path(topology, service)
        if not path.exists():
            write_private_file(path, _new_private_key())
        public.append(_public_jwk(path, kid=f"svc-{service}"))
    write_private_file(service_jwks_path(topology), _to_json({"keys": public}))


def _new_private_key() -> str:
    return (
        ec.generate_private_key(ec.SECP256R1())
        .private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        .decode()
    )


def _public_jwk(path: Path, *, kid: str) -> dict[str, str]:
    private = serialization.load_pem_private_key(path.read_bytes(), password=None)
    if not isinstance(private, ec.EllipticCurvePrivateKey):
        raise jwt.InvalidKeyError(f"{path} holds no elliptic-curve key")
    jwk = ECAlgorithm.to_jwk(private.public_key(), as_dict=True)
    return {**jwk, "kid": kid, "alg": "ES256", "use": "sig"}


def _to_json(value: object) -> str:
    return json.dumps(value, indent=2)
