"""Uses of the data keys: keys for each purpose, and secrets encrypted for storage."""

import base64
import hashlib
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Final

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from chassis.security.data_keys import DataKeys
from services.auth.domain.keys import DueSigningKey, SigningKey, key_id
from services.auth.domain.second_factors import Authenticator

_CHAIN_KEY_CONTEXT: Final = "security-events"


class KeyStore:
    """Holds the data keys. The keys derived from them do not reveal them, nor each other.

    Of each tuple of keys the first is used, and all are accepted.
    """

    def __init__(self, data_keys: DataKeys) -> None:
        self.data_key_name = data_keys.name
        self._cipher = data_keys.cipher(_label("signing-key"))
        self._secrets = data_keys.cipher(_label("second-factor"))
        self._recovery_codes = data_keys.cipher(_label("recovery-code"))
        self._chain_keys = data_keys.cipher(_label("security-event"))
        self.code_keys = data_keys.derive(_label("verification-code"))
        self.refresh_keys = data_keys.derive(_label("refresh-token"))
        self.successor_keys = data_keys.derive(_label("refresh-token-successor"))
        self.device_keys = data_keys.derive(_label("device-token"))

    def seal_authenticator(self, secret: str, user_id: str) -> Authenticator:
        """Return the app with its secret encrypted; it is not confirmed yet."""
        return Authenticator(self._secrets.encrypt(secret.encode(), context=user_id), self.data_key_name)

    def open_secret(self, authenticator: Authenticator, user_id: str) -> str:
        """Return an app's secret. Raises InvalidTag if none of these keys sealed it, or for another user."""
        return self._secrets.decrypt(authenticator.sealed_secret, context=user_id).decode()

    def seal_recovery_codes(self, codes: Iterable[str], user_id: str) -> tuple[bytes, ...]:
        """Return a user's recovery codes, encrypted one by one."""
        return tuple(self._recovery_codes.encrypt(code.encode(), context=user_id) for code in codes)

    def open_recovery_code(self, sealed: bytes, user_id: str) -> str:
        """Return a recovery code. Raises InvalidTag as `open_secret`."""
        return self._recovery_codes.decrypt(sealed, context=user_id).decode()

    def reseal_second_factors(
        self, authenticator: Authenticator, recovery_codes: Iterable[bytes], user_id: str
    ) -> tuple[Authenticator, tuple[bytes, ...]]:
        """Return an app and the recovery codes as the newest key seals them. Raises InvalidTag."""
        resealed = self.seal_authenticator(self.open_secret(authenticator, user_id), user_id)
        codes = [self.open_recovery_code(each, user_id) for each in recovery_codes]
        renewed = replace(
            authenticator, sealed_secret=resealed.sealed_secret, sealed_with=resealed.sealed_with
        )
        return renewed, self.seal_recovery_codes(codes, user_id)

    def seal_chain_key(self, key: bytes) -> bytes:
        """Return the key of the chains of security events, encrypted."""
        return self._chain_keys.encrypt(key, context=_CHAIN_KEY_CONTEXT)

    def open_chain_key(self, sealed: bytes) -> bytes:
        """Return the key of the chains of security events. Raises InvalidTag as `open_secret`."""
        return self._chain_keys.decrypt(sealed, context=_CHAIN_KEY_CONTEXT)

    def is_chain_key_current(self, sealed: bytes) -> bool:
        """Return whether the newest data key encrypts the key of the chains."""
        return self._chain_keys.is_current(sealed, context=_CHAIN_KEY_CONTEXT)

    def is_sealed_with_newest(self, key: SigningKey) -> bool:
        """Return whether the newest data key seals a signing key."""
        return self._cipher.is_current(key.sealed_private, context=key.kid)

    def reseal_signing_key(self, key: SigningKey) -> SigningKey:
        """Return a signing key as the newest data key seals it. Raises InvalidTag."""
        private = self._cipher.decrypt(key.sealed_private, context=key.kid)
        return replace(key, sealed_private=self._cipher.encrypt(private, context=key.kid))

    def make_signing_key(self, succession: DueSigningKey, now: datetime) -> SigningKey:
        """Return a new P-256 key pair that only these data keys open; `kid` is its thumbprint (RFC 7638)."""
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
        """Return the private part. Raises InvalidTag if none of these data keys sealed it."""
        der = self._cipher.decrypt(key.sealed_private, context=key.kid)
        private = serialization.load_der_private_key(der, password=None)
        if not isinstance(private, ec.EllipticCurvePrivateKey):
            raise TypeError(f"{key.id} is not an EC key")
        return private


def _label(purpose: str) -> str:
    return f"internshipconnect/auth/{purpose}"


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
