"""The events that the notification service handles: notices to dispatch, and mails to send."""

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any, Final

from google.protobuf.message import Message

from chassis.message_fields import to_datetime
from chassis.messaging import EventHandler, IncomingEvent, QueueSubscription, WorkQueue
from internshipconnect.events.v1 import events_pb2 as events
from services.notification.domain import notices
from services.notification.mapping import (
    application_facts_from_message,
    application_move_from_message,
    company_change_from_message,
    listing_change_from_message,
)
from services.notification.service.dispatcher import Dispatcher
from services.notification.service.mailer import MAX_ATTEMPTS, Mailer
from services.notification.service.update_recipients import UpdateRecipients

DISPATCH_QUEUE: Final = "notification-dispatch"
EMAIL_QUEUE: Final = "email-notifications"


class NotificationEventHandlers:
    """One method per event."""

    def __init__(self, recipients: UpdateRecipients, dispatcher: Dispatcher, mailer: Mailer) -> None:
        self._recipients = recipients
        self._dispatcher = dispatcher
        self._mailer = mailer

    def subscriptions(self) -> tuple[QueueSubscription, ...]:
        """Return the handlers of each queue."""
        return (
            QueueSubscription(DISPATCH_QUEUE, self._bound(_DISPATCH_HANDLERS)),
            QueueSubscription(EMAIL_QUEUE, self._bound(_EMAIL_HANDLERS), max_attempts=MAX_ATTEMPTS),
        )

    def _bound(
        self, handlers: "Mapping[type[Message], NotificationEventHandler]"
    ) -> dict[type[Message], EventHandler]:
        return {kind: partial(handler, self) for kind, handler in handlers.items()}

    async def user_registered(self, event: events.UserRegistered, _: IncomingEvent) -> None:
        await self._recipients.record_registration(
            event.user_id,
            email=event.email,
            name=event.name,
            company_id=event.company_id,
            locale=event.locale,
        )

    async def profile_updated(self, event: events.ProfileUpdated, incoming: IncomingEvent) -> None:
        await self._recipients.record_profile(
            event.user_id,
            name=event.name,
            locale=event.locale,
            time_zone=event.time_zone,
            at=incoming.time,
        )

    async def verification_requested(
        self, event: events.VerificationRequested, incoming: IncomingEvent
    ) -> None:
        expire_time = to_datetime(event.expire_time)
        requested = notices.verification_notices(
            event.user_id, event.email, event.code, expire_time, event.locale
        )
        await self._dispatcher.dispatch(requested, incoming)

    async def registration_repeated(
        self, event: events.RegistrationRepeated, incoming: IncomingEvent
    ) -> None:
        await self._dispatcher.dispatch(
            notices.repeated_registration_notices(event.user_id, event.email), incoming
        )

    async def session_compromised(self, event: events.SessionCompromised, incoming: IncomingEvent) -> None:
        await self._dispatcher.dispatch(notices.compromised_session_notices(event.user_id), incoming)

    async def application_submitted(
        self, event: events.ApplicationSubmitted, incoming: IncomingEvent
    ) -> None:
        await self._dispatcher.dispatch(
            notices.submission_notices(application_facts_from_message(event.application)), incoming
        )

    async def application_moved(self, event: events.ApplicationMoved, incoming: IncomingEvent) -> None:
        await self._dispatcher.dispatch(notices.move_notices(application_move_from_message(event)), incoming)

    async def rejection_disclosed(self, event: events.RejectionDisclosed, incoming: IncomingEvent) -> None:
        await self._dispatcher.dispatch(
            notices.disclosed_rejection_notices(application_facts_from_message(event.application)), incoming
        )

    async def internship_state_changed(
        self, event: events.InternshipStateChanged, incoming: IncomingEvent
    ) -> None:
        await self._dispatcher.dispatch(
            notices.listing_change_notices(listing_change_from_message(event)), incoming
        )

    async def company_state_changed(self, event: events.CompanyStateChanged, incoming: IncomingEvent) -> None:
        change = company_change_from_message(event)
        await self._dispatcher.dispatch(notices.company_change_notices(change), incoming)

    async def email_requested(self, event: events.EmailRequested, _: IncomingEvent) -> None:
        await self._mailer.send_mail(event.notification_id)


NotificationEventHandler = Callable[[NotificationEventHandlers, Any, IncomingEvent], Awaitable[None]]

_DISPATCH_HANDLERS: Final[Mapping[type[Message], NotificationEventHandler]] = {
    events.UserRegistered: NotificationEventHandlers.user_registered,
    events.ProfileUpdated: NotificationEventHandlers.profile_updated,
    events.VerificationRequested: NotificationEventHandlers.verification_requested,
    events.RegistrationRepeated: NotificationEventHandlers.registration_repeated,
    events.SessionCompromised: NotificationEventHandlers.session_compromised,
    events.ApplicationSubmitted: NotificationEventHandlers.application_submitted,
    events.ApplicationMoved: NotificationEventHandlers.application_moved,
    events.RejectionDisclosed: NotificationEventHandlers.rejection_disclosed,
    events.InternshipStateChanged: NotificationEventHandlers.internship_state_changed,
    events.CompanyStateChanged: NotificationEventHandlers.company_state_changed,
}
_EMAIL_HANDLERS: Final[Mapping[type[Message], NotificationEventHandler]] = {
    events.EmailRequested: NotificationEventHandlers.email_requested
}

QUEUES: Final = (
    WorkQueue(DISPATCH_QUEUE, tuple(_DISPATCH_HANDLERS)),
    WorkQueue(EMAIL_QUEUE, tuple(_EMAIL_HANDLERS)),
)
"""The queues of this service."""
