"""Uses of the data key: a key for each purpose, and private keys encrypted for storage."""

import base64
import hashlib
from datetime import datetime

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from chassis.security.encryption import AuthenticatedCipher, derive_key
from services.auth.domain.keys import DueSigningKey, SigningKey, key_id


class KeyStore:
    """Holds the data key. The keys derived from it do not reveal it, nor each other."""

    def __init__(self, data_key: bytes) -> None:
        self._cipher = AuthenticatedCipher(_derive_key(data_key, "signing-key"))
        self.code_key = _derive_key(data_key, "verification-code")
        self.refresh_key = _derive_key(data_key, "refresh-token")
        self.successor_key = _derive_key(data_key, "refresh-token-successor")
        self.device_key = _derive_key(data_key, "device-token")

    def make_signing_key(self, succession: DueSigningKey, now: datetime) -> SigningKey:
        """Return a new P-256 key pair that only this data key opens; `kid` is its thumbprint (RFC 7638)."""
        private = ec.generate_private_key(ec.SECP256R1())
        numbers = private.public_key().public_numbers()
        x, y = _coordinate(numbers.x), _coordinate(numbers.y)
        kid = _thumbprint(x, y)
        return SigningKey(
            id=key_id(succession.number),
            number=succession.number,
            kid=kid,
            x=x,
            y=y,
            sealed_private=self._cipher.encrypt(_to_der(private), context=kid),
            create_time=now,
            activate_time=succession.activate_time,
        )

    def private_key(self, key: SigningKey) -> ec.EllipticCurvePrivateKey:
        """Return the private part. Raises InvalidTag if it was sealed with another data key."""
        der = self._cipher.decrypt(key.sealed_private, context=key.kid)
        private = serialization.load_der_private_key(der, password=None)
        if not isinstance(private, ec.EllipticCurvePrivateKey):
            raise TypeError(f"{key.id} is not an EC key")
        return private


def _derive_key(data_key: bytes, purpose: str) -> bytes:
    return derive_key(data_key, f"internshipconnect/auth/{purpose}")


def _to_der(private: ec.EllipticCurvePrivateKey) -> bytes:
    return private.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _coordinate(number: int) -> str:
    return _base64url(number.to_bytes(32, "big"))


def _thumbprint(x: str, y: str) -> str:
    canonical = f'{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}'
    return _base64url(hashlib.sha256(canonical.encode()).digest())


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")
