"""Keeps what a waiting mail holds unreadable in the database: AES-256-GCM, bound to its delivery."""

import os
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_NONCE_BYTES: Final = 12


class Sealer:
    """Seals with one key of 16, 24 or 32 bytes."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)

    def seal(self, plain: bytes, *, bound_to: str) -> bytes:
        """Encrypts; the result opens only with the same `bound_to`."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, plain, bound_to.encode())

    def open(self, sealed: bytes, *, bound_to: str) -> bytes:
        """Decrypts.

        Raises:
            ValueError: another key, another `bound_to`, or changed bytes.
        """
        try:
            return self._cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], bound_to.encode())
        except InvalidTag:
            raise ValueError(f"what was sealed for {bound_to} does not open with this key") from None
