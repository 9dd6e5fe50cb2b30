"""What the notification service uses outside of its database, as its settings say."""

from dataclasses import dataclass
from typing import Self

from chassis.clock import Clock
from chassis.security.data_keys import DataKeys
from services.notification.field_cipher import FieldCipher
from services.notification.mail_transport import SmtpTransport
from services.notification.rendering import NotificationRenderer
from services.notification.repository import NotificationRepository
from services.notification.service.mailer import Mailer
from services.notification.settings import NotificationSettings


@dataclass(frozen=True, slots=True)
class NotificationAdapters:
    """What writing and sending mails needs."""

    cipher: FieldCipher
    renderer: NotificationRenderer
    transport: SmtpTransport

    @classmethod
    def open(cls, settings: NotificationSettings) -> Self:
        """Return the adapters; none connects before it is used."""
        return cls(
            cipher=FieldCipher(DataKeys.from_settings(settings)),
            renderer=NotificationRenderer(
                public_url=settings.public_url, sender=settings.mail_from, sender_name=settings.mail_from_name
            ),
            transport=SmtpTransport(settings),
        )

    def mailer(self, repository: NotificationRepository, clock: Clock, *, max_attempt_s: float) -> Mailer:
        """Return what sends the mails that wait; one attempt takes `max_attempt_s` seconds at most."""
        return Mailer(
            repository, self.cipher, self.renderer, self.transport, clock, max_attempt_s=max_attempt_s
        )
