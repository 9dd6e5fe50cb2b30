"""Keeps what a waiting mail holds unreadable in the database: AES-256-GCM, bound to its delivery."""

from typing import Final

import msgspec
from cryptography.exceptions import InvalidTag

from chassis.security.encryption import AuthenticatedCipher
from services.notification.domain.contents import NOTIFICATION_CONTENTS, NotificationContent
from services.notification.domain.inbox import MailDelivery
from services.notification.domain.recipients import Addressee

KEY_BYTES: Final = 32
_CONTENT_TYPES: Final = {(kind.template, kind.version): kind for kind in NOTIFICATION_CONTENTS}


class DecryptionError(Exception):
    """A delivery holds nothing that this key opens, or no content that we know."""


class _SealedContent(msgspec.Struct):
    reader: Addressee
    content: msgspec.Raw


class FieldCipher:
    """Seals letters (what is told, and to whom) with a key of at least 32 bytes, of which 32 are used."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AuthenticatedCipher(key[:KEY_BYTES])

    def seal(self, content: NotificationContent, reader: Addressee, *, delivery_id: str) -> bytes:
        """The letter, encrypted; it opens only as part of the delivery of that ID."""
        letter = _SealedContent(reader, msgspec.Raw(msgspec.msgpack.encode(content)))
        return self._cipher.encrypt(msgspec.msgpack.encode(letter), context=delivery_id)

    def open(self, delivery: MailDelivery) -> tuple[NotificationContent, Addressee]:
        """What a delivery tells, and to whom. Raises UnreadableError."""
        kind = _CONTENT_TYPES.get((delivery.template, delivery.version))
        if kind is None or delivery.sealed is None:
            raise DecryptionError(f"delivery {delivery.id} holds no {delivery.template} v{delivery.version}")
        try:
            plain = self._cipher.decrypt(delivery.sealed, context=delivery.id)
        except InvalidTag:
            raise DecryptionError(f"delivery {delivery.id} was sealed with another key") from None
        letter = msgspec.msgpack.decode(plain, type=_SealedContent)
        return msgspec.msgpack.decode(letter.content, type=kind), letter.reader
