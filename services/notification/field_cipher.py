"""Encryption of a waiting mail's fields in the database: AES-256-GCM, bound to the delivery."""

from typing import Final

import msgspec
from cryptography.exceptions import InvalidTag

from chassis.security.data_keys import DataKeys, SuccessiveCipher
from services.notification.domain.contents import NOTIFICATION_CONTENTS, NotificationContent
from services.notification.domain.inbox import MailDelivery
from services.notification.domain.recipients import Addressee

KEY_BYTES: Final = 32
_CONTENT_TYPES: Final = {(kind.template, kind.version): kind for kind in NOTIFICATION_CONTENTS}


class DecryptionError(Exception):
    """A delivery holds nothing that this key decrypts, or no known content."""


class _SealedContent(msgspec.Struct):
    reader: Addressee
    content: msgspec.Raw


class FieldCipher:
    """Encrypts contents and addressees with the first 32 bytes of a data key."""

    def __init__(self, data_keys: DataKeys) -> None:
        self._cipher = SuccessiveCipher([key[:KEY_BYTES] for key in (data_keys.newest, *data_keys.others)])

    def encrypt(self, content: NotificationContent, addressee: Addressee, *, delivery_id: str) -> bytes:
        """Return content and addressee, encrypted; only the delivery of that ID decrypts them."""
        fields = _SealedContent(addressee, msgspec.Raw(msgspec.msgpack.encode(content)))
        return self._cipher.encrypt(msgspec.msgpack.encode(fields), context=delivery_id)

    def decrypt(self, delivery: MailDelivery) -> tuple[NotificationContent, Addressee]:
        """Return a delivery's content and addressee. Raises DecryptionError."""
        kind = _CONTENT_TYPES.get((delivery.template, delivery.version))
        if kind is None or delivery.sealed is None:
            raise DecryptionError(f"delivery {delivery.id} holds no {delivery.template} v{delivery.version}")
        try:
            plain = self._cipher.decrypt(delivery.sealed, context=delivery.id)
        except InvalidTag:
            raise DecryptionError(f"delivery {delivery.id} was sealed with another key") from None
        fields = msgspec.msgpack.decode(plain, type=_SealedContent)
        return msgspec.msgpack.decode(fields.content, type=kind), fields.reader
