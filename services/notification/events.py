"""What this service reacts to: whom it tells when something happened elsewhere, and mails to send."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from chassis.messaging import Handler, Incoming, Subscription, WorkQueue
from internshipconnect.application.v1.application_pb2 import Actor, ApplicationState, ClosedReason
from internshipconnect.events.v1 import events_pb2 as events
from internshipconnect.internship.v1.internship_pb2 import InternshipState
from internshipconnect.user.v1.user_pb2 import CompanyState
from services.notification.domain import notices
from services.notification.domain.notices import Application, CompanyChange, ListingChange, Move
from services.notification.mailer import MOST_ATTEMPTS, Mailer
from services.notification.service import Recipients, Telling

DISPATCH: Final = "notification-dispatch"
EMAIL: Final = "email-notifications"


class Reactions:
    """One method per event."""

    def __init__(self, recipients: Recipients, telling: Telling, mailer: Mailer) -> None:
        self._recipients = recipients
        self._telling = telling
        self._mailer = mailer

    def subscriptions(self) -> tuple[Subscription, ...]:
        """The queues of this service and what happens with the events in them."""
        return (
            Subscription(DISPATCH, self._bound(_DISPATCHED)),
            Subscription(EMAIL, self._bound(_MAILED), max_attempts=MOST_ATTEMPTS),
        )

    def _bound(self, reactions: "Mapping[type[Message], Reaction]") -> dict[type[Message], Handler]:
        return {kind: partial(reaction, self) for kind, reaction in reactions.items()}

    async def user_registered(self, event: events.UserRegistered, _: Incoming) -> None:
        await self._recipients.registered(
            event.user_id, email=event.email, name=event.name, company_id=event.company_id
        )

    async def profile_updated(self, event: events.ProfileUpdated, incoming: Incoming) -> None:
        await self._recipients.profile_updated(
            event.user_id,
            name=event.name,
            locale=event.locale,
            time_zone=event.time_zone,
            at=incoming.time,
        )

    async def verification_requested(self, event: events.VerificationRequested, incoming: Incoming) -> None:
        expire_time = event.expire_time.ToDatetime(tzinfo=UTC)
        told = notices.of_verification(event.user_id, event.email, event.code, expire_time)
        await self._telling.tell(told, incoming)

    async def registration_repeated(self, event: events.RegistrationRepeated, incoming: Incoming) -> None:
        await self._telling.tell(notices.of_repeated_registration(event.user_id, event.email), incoming)

    async def session_compromised(self, event: events.SessionCompromised, incoming: Incoming) -> None:
        await self._telling.tell(notices.of_compromised_session(event.user_id), incoming)

    async def application_submitted(self, event: events.ApplicationSubmitted, incoming: Incoming) -> None:
        await self._telling.tell(notices.of_submission(_application(event.application)), incoming)

    async def application_moved(self, event: events.ApplicationMoved, incoming: Incoming) -> None:
        await self._telling.tell(notices.of_move(_move(event)), incoming)

    async def rejection_disclosed(self, event: events.RejectionDisclosed, incoming: Incoming) -> None:
        await self._telling.tell(notices.of_disclosed_rejection(_application(event.application)), incoming)

    async def internship_state_changed(
        self, event: events.InternshipStateChanged, incoming: Incoming
    ) -> None:
        await self._telling.tell(notices.of_listing_change(_listing_change(event)), incoming)

    async def company_state_changed(self, event: events.CompanyStateChanged, incoming: Incoming) -> None:
        change = CompanyChange(
            company_id=event.company_id,
            company_name=event.company_name,
            to_state=CompanyState.Name(event.to).removeprefix("COMPANY_STATE_"),
            reason=event.reason,
        )
        await self._telling.tell(notices.of_company_change(change), incoming)

    async def email_requested(self, event: events.EmailRequested, _: Incoming) -> None:
        await self._mailer.send(event.notification_id)


Reaction = Callable[[Reactions, Any, Incoming], Awaitable[None]]

_DISPATCHED: Final[Mapping[type[Message], Reaction]] = {
    events.UserRegistered: Reactions.user_registered,
    events.ProfileUpdated: Reactions.profile_updated,
    events.VerificationRequested: Reactions.verification_requested,
    events.RegistrationRepeated: Reactions.registration_repeated,
    events.SessionCompromised: Reactions.session_compromised,
    events.ApplicationSubmitted: Reactions.application_submitted,
    events.ApplicationMoved: Reactions.application_moved,
    events.RejectionDisclosed: Reactions.rejection_disclosed,
    events.InternshipStateChanged: Reactions.internship_state_changed,
    events.CompanyStateChanged: Reactions.company_state_changed,
}
_MAILED: Final[Mapping[type[Message], Reaction]] = {events.EmailRequested: Reactions.email_requested}

QUEUES: Final = (WorkQueue(DISPATCH, tuple(_DISPATCHED)), WorkQueue(EMAIL, tuple(_MAILED)))
"""The queues of this service."""


def _application(facts: events.ApplicationFacts) -> Application:
    return Application(
        id=facts.application_id,
        student_id=facts.student_id,
        student_name=facts.student_name,
        student_headline=facts.student_headline,
        internship_title=facts.internship_title,
        company_id=facts.company_id,
        company_name=facts.company_name,
    )


def _move(event: events.ApplicationMoved) -> Move:
    # `from` is a word of Python's, so the field has to be asked for by name.
    from_state: ApplicationState.ValueType = getattr(event, "from")
    return Move(
        application=_application(event.application),
        from_state=ApplicationState.Name(from_state).removeprefix("APPLICATION_STATE_"),
        to_state=ApplicationState.Name(event.to).removeprefix("APPLICATION_STATE_"),
        actor=Actor.Name(event.actor).removeprefix("ACTOR_"),
        closed_reason=ClosedReason.Name(event.closed_reason).removeprefix("CLOSED_REASON_"),
        offer_expire_time=_time(event.offer_expire_time) if event.HasField("offer_expire_time") else None,
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
        apply_deadline=_time(listing.apply_deadline) if listing.HasField("apply_deadline") else None,
        apply_deadline_zone=listing.apply_deadline_zone,
        reason=event.reason,
    )


def _time(timestamp: Timestamp) -> datetime:
    return timestamp.ToDatetime(tzinfo=UTC)
