"""Sends the requested mails.

A mail is sent at least once. This process may die between the mail server's acceptance and our writing SENT;
the delivery then stays SENDING until its lease expires, and the mail is sent again with the same Message-ID,
by which mailboxes and mail servers can drop it. Writing SENT first would lose mails.
"""

import asyncio
from datetime import timedelta
from typing import Final

from chassis.clock import Clock
from chassis.errors import UNAVAILABLE_REASONS, DomainError, unavailable
from chassis.observability.logging import get_logger
from services.notification.domain.inbox import MailDelivery, MailDeliveryState
from services.notification.field_cipher import DecryptionError, FieldCipher
from services.notification.mail_transport import MailRefusedError, MailTransport
from services.notification.rendering import (
    InvalidRecipientAddressError,
    MailRenderingError,
    NotificationRenderer,
)
from services.notification.repository import NotificationRepository

SENDING_LEASE: Final = timedelta(seconds=30)
"""The time limit of an event handler."""
RETRY_INTERVAL: Final = timedelta(seconds=0.25)
MAX_ATTEMPTS: Final = 20
_FINISHED_STATES: Final = frozenset({MailDeliveryState.SENT, MailDeliveryState.BOUNCED})

_log = get_logger()


class Mailer:
    """Takes deliveries from the log and hands them to the mail server."""

    def __init__(
        self,
        repository: NotificationRepository,
        cipher: FieldCipher,
        renderer: NotificationRenderer,
        transport: MailTransport,
        clock: Clock,
    ) -> None:
        self._repository = repository
        self._cipher = cipher
        self._renderer = renderer
        self._transport = transport
        self._clock = clock

    async def send_mail(self, delivery_id: str) -> None:
        """Send one mail, unless it was sent or is being sent.

        Raises:
            DomainError: UNAVAILABLE; a later attempt may succeed.
        """
        now = self._clock.now()
        claimed = await self._repository.claim_delivery(delivery_id, now=now, lease_until=now + SENDING_LEASE)
        if claimed is None:
            return await self._raise_if_unfinished(delivery_id)
        try:
            await self._render_and_send(claimed)
        except (MailRefusedError, InvalidRecipientAddressError) as refusal:
            return await self._settle(claimed, MailDeliveryState.BOUNCED, str(refusal))
        except MailRenderingError as problem:
            return await self._settle(claimed, MailDeliveryState.FAILED, str(problem))
        except Exception as problem:
            gave_up = claimed.attempts >= MAX_ATTEMPTS or isinstance(problem, DecryptionError)
            state = MailDeliveryState.FAILED if gave_up else MailDeliveryState.QUEUED
            await self._settle(claimed, state, f"{type(problem).__name__}: {problem}")
            raise
        return await self._settle(claimed, MailDeliveryState.SENT)

    async def _raise_if_unfinished(self, delivery_id: str) -> None:
        delivery = await self._repository.get_delivery(delivery_id)
        if delivery is not None and delivery.state not in _FINISHED_STATES:
            raise unavailable("Another try at this mail", retry_after_s=SENDING_LEASE.total_seconds())

    async def _render_and_send(self, delivery: MailDelivery) -> None:
        content, addressee = self._cipher.decrypt(delivery)
        mail = self._renderer.render_mail(
            delivery.id, content, addressee, written_at=delivery.create_time, fullest=delivery.form
        )
        await self._transport.send(mail)

    async def _settle(self, delivery: MailDelivery, state: MailDeliveryState, error: str = "") -> None:
        await self._record_result(delivery, state, error)
        _log.info(
            "mail settled",
            notification_id=delivery.id,
            template=delivery.template,
            state=state.value,
            attempt=delivery.attempts,
            error=error,
        )

    async def _record_result(self, delivery: MailDelivery, state: MailDeliveryState, error: str) -> None:
        """Store the result, with retries while the claim lasts: a mail without one is sent again."""
        until = delivery.lease_until or self._clock.now()
        while True:
            try:
                return await self._repository.settle_delivery(
                    delivery, state, now=self._clock.now(), error=error
                )
            except DomainError as problem:
                if problem.reason not in UNAVAILABLE_REASONS or self._clock.now() + RETRY_INTERVAL > until:
                    raise
                await asyncio.sleep(RETRY_INTERVAL.total_seconds())
