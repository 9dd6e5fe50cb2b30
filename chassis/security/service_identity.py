"""A service's own identity in calls to others."""

import time
from pathlib import Path
from typing import Any, Final

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from chassis.security.tokens import (
    ALGORITHM,
    AUDIENCE,
    SERVICE_ISSUER,
    SERVICE_KEY_PREFIX,
    SERVICE_KIND,
)

TOKEN_TTL_S: Final = 900
TOKEN_REUSE_S: Final = 240
"""Short enough that a token is still valid for processes whose clocks differ by ten minutes."""


class ServiceIdentity:
    """Issues the service's own tokens, valid for a quarter of an hour, and reuses each for four minutes."""

    def __init__(self, name: str, key: EllipticCurvePrivateKey) -> None:
        self._name = name
        self._key = key
        self._token = ""
        self._renew_at = 0.0

    @classmethod
    def from_file(cls, name: str, path: Path) -> "ServiceIdentity":
        """Read a PEM file. Raises OSError when it cannot be read, ValueError when it holds no P-256 key."""
        key = load_pem_private_key(path.read_bytes(), password=None)
        if not isinstance(key, EllipticCurvePrivateKey) or not isinstance(key.curve, SECP256R1):
            raise ValueError(f"{path} does not hold a P-256 private key")
        return cls(name, key)

    def token(self) -> str:
        """Return a token that is valid for at least another eleven minutes."""
        now = time.time()
        if now >= self._renew_at:
            self._token = self._mint(int(now))
            self._renew_at = now + TOKEN_REUSE_S
        return self._token

    def _mint(self, now: int) -> str:
        claims: dict[str, Any] = {
            "iss": SERVICE_ISSUER,
            "aud": AUDIENCE,
            "sub": self._name,
            "kind": SERVICE_KIND,
            "iat": now,
            "exp": now + TOKEN_TTL_S,
        }
        return jwt.encode(claims, self._key, ALGORITHM, headers={"kid": f"{SERVICE_KEY_PREFIX}{self._name}"})
