"""The keys with which services sign their calls; apart, as they need a library that is slow to import."""

from collections.abc import Mapping

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm


def new_service_key() -> str:
    """Return a new ES256 key as PEM."""
    return (
        ec.generate_private_key(ec.SECP256R1())
        .private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        .decode()
    )


def public_jwks(keys: Mapping[str, str]) -> dict[str, list[dict[str, str]]]:
    """Return the JWKS of the public halves of services' keys (PEM by service). Raises InvalidKeyError."""
    return {"keys": [_public_jwk(service, pem) for service, pem in keys.items()]}


def _public_jwk(service: str, pem: str) -> dict[str, str]:
    private = serialization.load_pem_private_key(pem.encode(), password=None)
    if not isinstance(private, ec.EllipticCurvePrivateKey):
        raise jwt.InvalidKeyError(f"the key of {service} is no elliptic-curve key")
    jwk = ECAlgorithm.to_jwk(private.public_key(), as_dict=True)
    return {**jwk, "kid": f"svc-{service}", "alg": "ES256", "use": "sig"}
