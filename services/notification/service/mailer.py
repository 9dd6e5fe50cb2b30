"""Sends the stored mails.

A mail is sent at least once. This process may die between the mail server's acceptance and our writing SENT;
the delivery then stays SENDING until its lease expires, and the mail is sent again with the same Message-ID,
by which mailboxes and mail servers can drop it. Writing SENT first would lose mails.
"""

import asyncio
import random
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Final

from chassis.call_context import CallContext, bind_call, current_principal_or_none
from chassis.clock import Clock
from chassis.concurrency.bounded_gather import run_for_each
from chassis.errors import UNAVAILABLE_REASONS, DomainError, unavailable
from chassis.observability.logging import get_logger
from chassis.observability.tracing import continue_trace
from services.notification.domain.inbox import SENDING_LEASE, MailDelivery, MailDeliveryState
from services.notification.field_cipher import DecryptionError, FieldCipher
from services.notification.mail_composition import EncodedMail
from services.notification.mail_transport import MailRefusedError, MailTransport
from services.notification.metrics import export_mail_metrics, mail_attempts, mail_delay_seconds
from services.notification.rendering import (
    InvalidRecipientAddressError,
    MailRenderingError,
    NotificationRenderer,
)
from services.notification.repository import NotificationRepository
from services.notification.service.dispatcher import ClaimedMail

RETRY_INTERVAL: Final = timedelta(seconds=0.25)
MAX_SENDING: Final = 1_000
"""Claimed mails that wait for the mail server or are on their way to it, in one process."""
MAX_DUE_PER_SWEEP: Final = 100
"""Due mails that are taken at once from each shard."""
MAX_CONCURRENT_ATTEMPTS: Final = 32
INITIAL_ATTEMPT_INTERVAL: Final = timedelta(seconds=1)
MAX_ATTEMPT_INTERVAL: Final = timedelta(minutes=10)
MAX_DELIVERY_AGE: Final = timedelta(days=1)
"""After which a mail that cannot be sent is given up."""
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
        *,
        max_attempt_s: float,
    ) -> None:
        """Make the mailer; an attempt of the transport ends within `max_attempt_s`."""
        self._repository = repository
        self._cipher = cipher
        self._renderer = renderer
        self._transport = transport
        self._clock = clock
        self._max_attempt_time = timedelta(seconds=max_attempt_s)
        self._is_closing = False
        self._attempts = asyncio.Semaphore(MAX_CONCURRENT_ATTEMPTS)
        self._sending: set[asyncio.Task[None]] = set()

    @property
    def free_capacity(self) -> int:
        """How many more claimed mails this process takes now."""
        return max(0, MAX_SENDING - len(self._sending))

    def start_sending(self, mails: Sequence[ClaimedMail]) -> None:
        """Send claimed mails in the background; an attempt that fails is repeated later, by any process."""
        for each in mails:
            task = asyncio.create_task(self._send_in_background(each))
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)

    async def send_due(self) -> None:
        """Send the mails whose time for a next attempt has come, all that this process has time for."""
        export_mail_metrics()
        while True:
            now = self._clock.now()
            due = await self._repository.claim_due(
                now=now, lease_until=now + SENDING_LEASE, limit=MAX_DUE_PER_SWEEP
            )
            await run_for_each(due, self._send_due, max_concurrent=MAX_CONCURRENT_ATTEMPTS)
            if len(due) < MAX_DUE_PER_SWEEP:
                return

    async def send_mail(self, delivery_id: str) -> None:
        """Send one mail, unless it was sent or is being sent.

        Raises:
            DomainError: UNAVAILABLE; a later attempt may succeed.
        """
        if not await self._try_mail(delivery_id):
            delivery = await self._repository.get_delivery(delivery_id)
            if delivery is not None and delivery.state not in _FINISHED_STATES:
                raise unavailable("Another try at this mail", retry_after_s=SENDING_LEASE.total_seconds())

    async def close(self) -> None:
        """Wait for the mails that are being sent, and give those that wait for their turn to others."""
        self._is_closing = True
        if self._sending:
            await asyncio.wait(self._sending)

    async def _send_in_background(self, claimed: ClaimedMail) -> None:
        # The deadline of the event that it was made of does not hold for it.
        bind_call(CallContext(principal=current_principal_or_none()))
        async with self._attempts:
            if self._is_closing:
                await self._release(claimed.delivery)
            elif self._has_time_for(claimed.delivery):
                with continue_trace(claimed.traceparent, "send mail", kind="client"):
                    await self._send_claimed(claimed.delivery, claimed.mail)

    async def _send_due(self, claimed: MailDelivery) -> None:
        async with self._attempts:
            if self._has_time_for(claimed):
                await self._send_claimed(claimed, None)

    def _has_time_for(self, claimed: MailDelivery) -> bool:
        """Return whether an attempt would end within the claim; else the mail is due again when it ends."""
        return (claimed.lease_until or claimed.create_time) - self._clock.now() > self._max_attempt_time

    async def _release(self, claimed: MailDelivery) -> None:
        with suppress(DomainError):
            # Otherwise it is due when the claim ends.
            await self._repository.settle_delivery(
                claimed, MailDeliveryState.QUEUED, now=self._clock.now(), next_attempt=self._clock.now()
            )

    async def _try_mail(self, delivery_id: str) -> bool:
        """Claim and send a mail; return False when it cannot be claimed."""
        now = self._clock.now()
        claimed = await self._repository.claim_delivery(delivery_id, now=now, lease_until=now + SENDING_LEASE)
        if claimed is not None:
            await self._send_claimed(claimed, None)
        return claimed is not None

    async def _send_claimed(self, claimed: MailDelivery, composed: EncodedMail | None) -> None:
        """Send a mail, composing it unless it is, and store the result."""
        try:
            await self._transport.send(composed or self._compose(claimed))
        except (MailRefusedError, InvalidRecipientAddressError) as refusal:
            await self._settle(claimed, MailDeliveryState.BOUNCED, str(refusal))
        except (MailRenderingError, DecryptionError) as problem:
            await self._settle(claimed, MailDeliveryState.FAILED, f"{type(problem).__name__}: {problem}")
        except Exception as problem:
            await self._settle_failed_attempt(claimed, f"{type(problem).__name__}: {problem}")
        else:
            await self._settle(claimed, MailDeliveryState.SENT)

    def _compose(self, delivery: MailDelivery) -> EncodedMail:
        content, addressee = self._cipher.decrypt(delivery)
        _, mail = self._renderer.render_mail(
            delivery.id, content, addressee, written_at=delivery.create_time, fullest=delivery.form
        )
        return mail

    async def _settle_failed_attempt(self, claimed: MailDelivery, error: str) -> None:
        now = self._clock.now()
        if now - claimed.create_time > MAX_DELIVERY_AGE:
            await self._settle(claimed, MailDeliveryState.FAILED, error)
        else:
            next_attempt = now + _attempt_interval(claimed.attempts)
            await self._settle(claimed, MailDeliveryState.QUEUED, error, next_attempt)

    async def _settle(
        self,
        delivery: MailDelivery,
        state: MailDeliveryState,
        error: str = "",
        next_attempt: datetime | None = None,
    ) -> None:
        mail_attempts.labels(state).inc()
        if state is MailDeliveryState.SENT:
            delay: timedelta = self._clock.now() - delivery.create_time
            mail_delay_seconds.observe(max(0.0, delay.total_seconds()))
        try:
            await self._record_result(delivery, state, error, next_attempt)
        except Exception as problem:
            # The lease ends, and the mail is sent again.
            _log.error("result of a mail not stored", notification_id=delivery.id, error=str(problem))
            return
        _log.info(
            "mail settled",
            notification_id=delivery.id,
            template=delivery.template,
            state=state.value,
            attempt=delivery.attempts,
            error=error,
        )

    async def _record_result(
        self, delivery: MailDelivery, state: MailDeliveryState, error: str, next_attempt: datetime | None
    ) -> None:
        """Store the result, with retries while the claim lasts: a mail without one is sent again."""
        until = delivery.lease_until or self._clock.now()
        while True:
            try:
                return await self._repository.settle_delivery(
                    delivery, state, now=self._clock.now(), error=error, next_attempt=next_attempt
                )
            except DomainError as problem:
                if problem.reason not in UNAVAILABLE_REASONS or self._clock.now() + RETRY_INTERVAL > until:
                    raise
                await asyncio.sleep(RETRY_INTERVAL.total_seconds())


def _attempt_interval(attempts: int) -> timedelta:
    """Return the time until the next attempt, which doubles: a server that returns is not overrun."""
    doubled: timedelta = INITIAL_ATTEMPT_INTERVAL * 2 ** min(attempts - 1, 20)
    return min(doubled, MAX_ATTEMPT_INTERVAL) * random.uniform(0.8, 1.2)  # noqa: S311
