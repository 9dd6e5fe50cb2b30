"""What this service reacts to: whom it tells when something happened elsewhere, and mails to send."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from chassis.messaging import EventHandler, IncomingEvent, QueueSubscription, WorkQueue
from internshipconnect.application.v1.application_pb2 import Actor, ApplicationState, ClosedReason
from internshipconnect.events.v1 import events_pb2 as events
from internshipconnect.internship.v1.internship_pb2 import InternshipState
from internshipconnect.user.v1.user_pb2 import CompanyState
from services.notification.domain import notices
from services.notification.domain.notices import (
    ApplicationFacts,
    ApplicationMove,
    CompanyChange,
    ListingChange,
)
from services.notification.mailer import MAX_ATTEMPTS, Mailer
from services.notification.service import Dispatcher, UpdateRecipients

DISPATCH_QUEUE: Final = "notification-dispatch"
EMAIL_QUEUE: Final = "email-notifications"


class NotificationEventHandlers:
    """One method per event."""

    def __init__(self, recipients: UpdateRecipients, telling: Dispatcher, mailer: Mailer) -> None:
        self._recipients = recipients
        self._telling = telling
        self._mailer = mailer

    def subscriptions(self) -> tuple[QueueSubscription, ...]:
        """The queues of this service and what happens with the events in them."""
        return (
            QueueSubscription(DISPATCH_QUEUE, self._bound(_DISPATCH_HANDLERS)),
            QueueSubscription(EMAIL_QUEUE, self._bound(_EMAIL_HANDLERS), max_attempts=MAX_ATTEMPTS),
        )

    def _bound(
        self, reactions: "Mapping[type[Message], NotificationEventHandler]"
    ) -> dict[type[Message], EventHandler]:
        return {kind: partial(reaction, self) for kind, reaction in reactions.items()}

    async def user_registered(self, event: events.UserRegistered, _: IncomingEvent) -> None:
        await self._recipients.registered(
            event.user_id, email=event.email, name=event.name, company_id=event.company_id
        )

    async def profile_updated(self, event: events.ProfileUpdated, incoming: IncomingEvent) -> None:
        await self._recipients.profile_updated(
            event.user_id,
            name=event.name,
            locale=event.locale,
            time_zone=event.time_zone,
            at=incoming.time,
        )

    async def verification_requested(
        self, event: events.VerificationRequested, incoming: IncomingEvent
    ) -> None:
        expire_time = event.expire_time.ToDatetime(tzinfo=UTC)
        told = notices.verification_notices(event.user_id, event.email, event.code, expire_time)
        await self._telling.tell(told, incoming)

    async def registration_repeated(
        self, event: events.RegistrationRepeated, incoming: IncomingEvent
    ) -> None:
        await self._telling.tell(notices.repeated_registration_notices(event.user_id, event.email), incoming)

    async def session_compromised(self, event: events.SessionCompromised, incoming: IncomingEvent) -> None:
        await self._telling.tell(notices.compromised_session_notices(event.user_id), incoming)

    async def application_submitted(
        self, event: events.ApplicationSubmitted, incoming: IncomingEvent
    ) -> None:
        await self._telling.tell(notices.submission_notices(_application_facts(event.application)), incoming)

    async def application_moved(self, event: events.ApplicationMoved, incoming: IncomingEvent) -> None:
        await self._telling.tell(notices.move_notices(_application_move(event)), incoming)

    async def rejection_disclosed(self, event: events.RejectionDisclosed, incoming: IncomingEvent) -> None:
        await self._telling.tell(
            notices.disclosed_rejection_notices(_application_facts(event.application)), incoming
        )

    async def internship_state_changed(
        self, event: events.InternshipStateChanged, incoming: IncomingEvent
    ) -> None:
        await self._telling.tell(notices.listing_change_notices(_listing_change(event)), incoming)

    async def company_state_changed(self, event: events.CompanyStateChanged, incoming: IncomingEvent) -> None:
        change = CompanyChange(
            company_id=event.company_id,
            company_name=event.company_name,
            to_state=CompanyState.Name(event.to).removeprefix("COMPANY_STATE_"),
            reason=event.reason,
        )
        await self._telling.tell(notices.company_change_notices(change), incoming)

    async def email_requested(self, event: events.EmailRequested, _: IncomingEvent) -> None:
        await self._mailer.send(event.notification_id)


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


def _application_facts(facts: events.ApplicationFacts) -> ApplicationFacts:
    return ApplicationFacts(
        id=facts.application_id,
        student_id=facts.student_id,
        student_name=facts.student_name,
        student_headline=facts.student_headline,
        internship_title=facts.internship_title,
        company_id=facts.company_id,
        company_name=facts.company_name,
    )


def _application_move(event: events.ApplicationMoved) -> ApplicationMove:
    # `from` is a word of Python's, so the field has to be asked for by name.
    from_state: ApplicationState.ValueType = getattr(event, "from")
    return ApplicationMove(
        application=_application_facts(event.application),
        from_state=ApplicationState.Name(from_state).removeprefix("APPLICATION_STATE_"),
        to_state=ApplicationState.Name(event.to).removeprefix("APPLICATION_STATE_"),
        actor=Actor.Name(event.actor).removeprefix("ACTOR_"),
        closed_reason=ClosedReason.Name(event.closed_reason).removeprefix("CLOSED_REASON_"),
        offer_expire_time=_datetime_of(event.offer_expire_time)
        if event.HasField("offer_expire_time")
        else None,
    )


def _listing_change(event: events.InternshipStateChanged) -> ListingChange:
    from_state: InternshipState.ValueType = getattr(event, "from")
    listing = event.internship
    return ListingChange(
        internship_id=listing.id,
        internship_title=listing.title,
        company_id=listing.company.id,
        from_state=InternshipState.Name(from_state).removeprefix("INTERNSHIP_STATE_"),
        to_state=InternshipState.Name(event.to).removeprefix("INTERNSHIP_STATE_"),
        apply_deadline=_datetime_of(listing.apply_deadline) if listing.HasField("apply_deadline") else None,
        apply_deadline_zone=listing.apply_deadline_zone,
        reason=event.reason,
    )


def _datetime_of(timestamp: Timestamp) -> datetime:
    return timestamp.ToDatetime(tzinfo=UTC)
