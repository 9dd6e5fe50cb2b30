"""The data keys of a service: one encrypts, and those before and after it still decrypt.

A key is replaced in three steps, each of which running processes take one after the other: the new key joins
those that decrypt, then it encrypts and the former one only decrypts, and when nothing is left of the former
one, it goes. At no time is there a process that cannot read what another one writes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

from cryptography.exceptions import InvalidTag

from chassis.security.encryption import AuthenticatedCipher, derive_key
from chassis.settings import ChassisSettings, decode_key

_NAME_BYTES: Final = 6
_NAME_LABEL: Final = "internshipconnect/data-key-name"


@dataclass(frozen=True, slots=True, repr=False)
class DataKeys:
    """Keys of at least 32 bytes each; `others` are accepted, newest first."""

    newest: bytes
    others: tuple[bytes, ...] = ()

    @classmethod
    def from_settings(cls, settings: ChassisSettings) -> Self:
        """Return the data keys that a service is configured with."""
        return cls(decode_key(settings.data_key), tuple(map(decode_key, settings.other_data_keys)))

    @property
    def name(self) -> str:
        """The name of the key that encrypts, in documents and figures; it does not reveal the key."""
        return name_data_key(self.newest)

    def derive(self, label: str) -> tuple[bytes, ...]:
        """Return the keys of 32 bytes for one purpose: the first is used, all are accepted."""
        return tuple(derive_key(each, label) for each in (self.newest, *self.others))

    def cipher(self, label: str) -> "SuccessiveCipher":
        """Return the cipher for one purpose."""
        return SuccessiveCipher(self.derive(label))


class SuccessiveCipher:
    """Encrypts with the first of its keys, and decrypts with all of them; each has 16, 24 or 32 bytes."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        self._ciphers = tuple(map(AuthenticatedCipher, keys))

    def encrypt(self, plain: bytes, *, context: str) -> bytes:
        """Return the encrypted bytes, which decrypt with the same context only."""
        return self._ciphers[0].encrypt(plain, context=context)

    def decrypt(self, sealed: bytes, *, context: str) -> bytes:
        """Return the decrypted bytes. Raises InvalidTag for other keys, another context or changed bytes."""
        for cipher in self._ciphers[:-1]:
            try:
                return cipher.decrypt(sealed, context=context)
            except InvalidTag:
                continue
        return self._ciphers[-1].decrypt(sealed, context=context)

    def is_current(self, sealed: bytes, *, context: str) -> bool:
        """Return whether the first key encrypted these bytes."""
        try:
            self._ciphers[0].decrypt(sealed, context=context)
        except InvalidTag:
            return False
        return True


def name_data_key(key: bytes) -> str:
    """Return the name of a data key: twelve hexadecimal digits."""
    return derive_key(key, _NAME_LABEL)[:_NAME_BYTES].hex()
