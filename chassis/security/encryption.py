"""Encryption of stored fields: AES-GCM, bound to a context, and keys derived for one purpose each."""

import hashlib
import hmac
import os
from typing import Final

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_NONCE_BYTES: Final = 12


def derive_key(root_key: bytes, label: str) -> bytes:
    """Return a key of 32 bytes for the purpose that `label` names; it reveals no other key."""
    return hmac.digest(root_key, label.encode(), hashlib.sha256)


class AuthenticatedCipher:
    """Encrypts with a key of 16, 24 or 32 bytes, each time with a nonce of its own."""

    def __init__(self, key: bytes) -> None:
        self._aes = AESGCM(key)

    def encrypt(self, plain: bytes, *, context: str) -> bytes:
        """Return the nonce and the encrypted bytes, which decrypt with the same context only."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._aes.encrypt(nonce, plain, context.encode())

    def decrypt(self, sealed: bytes, *, context: str) -> bytes:
        """Return the decrypted bytes. Raises InvalidTag for another key, another context or changed bytes."""
        return self._aes.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], context.encode())
