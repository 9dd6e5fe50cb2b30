"""The events that the notification service handles: recipients to keep, and notices to dispatch."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

from google.protobuf.message import Message

from chassis.erasures import ErasePeople, LateEvents
from chassis.message_fields import to_datetime
from chassis.messaging import (
    BatchSubscription,
    IncomingEvent,
    QueueSubscription,
    ReceivedEvent,
    Subscription,
    WorkQueue,
)
from internshipconnect.events.v1 import events_pb2 as events
from services.notification.domain import account_notices, notices, team_notices
from services.notification.mapping import (
    api_key_from_message,
    application_facts_from_message,
    application_move_from_message,
    company_change_from_message,
    email_change_request_from_message,
    invitation_from_message,
    listing_change_from_message,
    membership_from_message,
    ownership_from_message,
    second_factor_change_from_message,
)
from services.notification.repository import NotificationRepository
from services.notification.service.dispatcher import Dispatcher, NoticedEvent
from services.notification.service.mailer import Mailer
from services.notification.service.update_recipients import UpdateRecipients

DISPATCH_QUEUE: Final = "notification-dispatch"
EMAIL_QUEUE: Final = "email-notifications"
ERASURES_QUEUE: Final = "notification-erasures"


class NotificationEventHandlers:
    """Handles events in batches: changes of recipients first, then notices."""

    def __init__(
        self,
        recipients: UpdateRecipients,
        dispatcher: Dispatcher,
        mailer: Mailer,
        erasures: ErasePeople,
        late: LateEvents,
    ) -> None:
        self._recipients = recipients
        self._dispatcher = dispatcher
        self._mailer = mailer
        self._erasures = erasures
        self._late = late
        self._recipient_changes: Mapping[type[Message], _ChangeRecipient] = {
            events.UserRegistered: self._register,
            events.ProfileUpdated: self._update_profile,
            events.CompanyMembershipChanged: self._update_membership,
            events.EmailChanged: self._update_email,
        }

    def subscriptions(self) -> tuple[Subscription, ...]:
        """Return the queues with the handlers of their events."""
        return (
            BatchSubscription(DISPATCH_QUEUE, DISPATCHED_EVENTS, self.handle_events),
            QueueSubscription(EMAIL_QUEUE, {events.EmailRequested: self.email_requested}),
            QueueSubscription(
                ERASURES_QUEUE,
                {
                    events.AccountErasureRequested: self.erasure_requested,
                    events.ApplicationAnonymised: self.application_anonymised,
                },
            ),
        )

    async def handle_events(self, received: Sequence[ReceivedEvent]) -> None:
        """Change recipients, store notices, and begin to send their mails.

        Of people who are erased nothing is stored, for nobody; only the ends of their memberships count.
        """
        current = await self._late.drop(received)
        kept = {id(each) for each in current}
        await self._change_recipients(
            [each for each in received if id(each) in kept or _ends_membership(each.message)]
        )
        noticed = [
            NoticedEvent(each.incoming, _NOTICES[type(each.message)](each.message))
            for each in current
            if type(each.message) in _NOTICES
        ]
        mails = await self._dispatcher.dispatch(noticed, max_claims=self._mailer.free_capacity)
        self._mailer.start_sending(mails)

    async def email_requested(self, event: events.EmailRequested, _: IncomingEvent) -> None:
        """Send a mail that an earlier version of this service has stored."""
        await self._mailer.send_mail(event.notification_id)

    async def erasure_requested(self, event: events.AccountErasureRequested, _: IncomingEvent) -> None:
        """Store the person's tombstone; the job erases. A repeat has it done once more."""
        await self._erasures.request_erasure(event.user_id)

    async def application_anonymised(self, event: events.ApplicationAnonymised, _: IncomingEvent) -> None:
        """Remove the members' notices of the application, which name the student."""
        facts = event.application
        await self._recipients.forget_application(facts.company_id, facts.application_id)

    async def _change_recipients(self, received: Sequence[ReceivedEvent]) -> None:
        """Change recipients: those of one user one after the other, in their order."""
        by_user: dict[str, list[ReceivedEvent]] = defaultdict(list)
        for each in received:
            if type(each.message) in self._recipient_changes:
                by_user[each.message.user_id].append(each)

        async def change_each(own: Sequence[ReceivedEvent]) -> None:
            for each in own:
                await self._recipient_changes[type(each.message)](each.message, each.incoming)

        await asyncio.gather(*map(change_each, by_user.values()))

    async def _register(self, event: events.UserRegistered, _: IncomingEvent) -> None:
        await self._recipients.record_registration(
            event.user_id,
            email=event.email,
            name=event.name,
            company_id=event.company_id,
            locale=event.locale,
        )

    async def _update_profile(self, event: events.ProfileUpdated, incoming: IncomingEvent) -> None:
        await self._recipients.record_profile(
            event.user_id,
            name=event.name,
            locale=event.locale,
            time_zone=event.time_zone,
            at=incoming.time,
        )

    async def _update_membership(self, event: events.CompanyMembershipChanged, _: IncomingEvent) -> None:
        await self._recipients.record_membership(
            event.company_id, event.user_id, is_member=bool(event.role), team_version=event.team_version
        )

    async def _update_email(self, event: events.EmailChanged, _: IncomingEvent) -> None:
        await self._recipients.record_email(event.user_id, event.email, event.account_version)


_ChangeRecipient = Callable[[Any, IncomingEvent], Awaitable[None]]


def _ends_membership(message: Message) -> bool:
    return isinstance(message, events.CompanyMembershipChanged) and not message.role


def _verification_notices(event: events.VerificationRequested) -> notices.Notices:
    expire_time = to_datetime(event.expire_time)
    return account_notices.verification_notices(
        event.user_id, event.email, event.code, expire_time, event.locale
    )


def _submission_notices(event: events.ApplicationSubmitted) -> notices.Notices:
    return notices.submission_notices(application_facts_from_message(event.application))


def _disclosed_rejection_notices(event: events.RejectionDisclosed) -> notices.Notices:
    return notices.disclosed_rejection_notices(application_facts_from_message(event.application))


_NOTICES: Final[Mapping[type[Message], Callable[[Any], notices.Notices]]] = {
    events.VerificationRequested: _verification_notices,
    events.RegistrationRepeated: lambda event: account_notices.repeated_registration_notices(
        event.user_id, event.email
    ),
    events.SessionCompromised: lambda event: account_notices.compromised_session_notices(
        event.user_id, event.device, event.area, to_datetime(event.start_time)
    ),
    events.PasswordResetRequested: lambda event: account_notices.password_reset_notices(
        event.user_id, event.email, event.code, to_datetime(event.expire_time)
    ),
    events.PasswordReplaced: lambda event: account_notices.replaced_password_notices(
        event.user_id, event.email
    ),
    events.EmailChangeRequested: lambda event: account_notices.email_change_notices(
        email_change_request_from_message(event)
    ),
    events.SecondFactorChanged: lambda event: account_notices.second_factor_notices(
        event.user_id, event.email, second_factor_change_from_message(event)
    ),
    events.IdentityChanged: lambda event: account_notices.identity_notices(
        event.user_id, event.email, event.provider_name, is_linked=event.linked
    ),
    events.EmailChanged: lambda event: account_notices.changed_email_notices(
        event.user_id, event.former_email, event.email
    ),
    events.DataExportReady: lambda event: account_notices.ready_export_notices(
        event.user_id, to_datetime(event.expire_time)
    ),
    events.AccountDeletionRequested: lambda event: account_notices.deletion_request_notices(
        event.user_id, event.email, to_datetime(event.erase_time)
    ),
    events.AccountDeletionCancelled: lambda event: account_notices.cancelled_deletion_notices(
        event.user_id, event.email
    ),
    events.ApplicationSubmitted: _submission_notices,
    events.ApplicationMoved: lambda event: notices.move_notices(application_move_from_message(event)),
    events.RejectionDisclosed: _disclosed_rejection_notices,
    events.InternshipStateChanged: lambda event: notices.listing_change_notices(
        listing_change_from_message(event)
    ),
    events.CompanyStateChanged: lambda event: notices.company_change_notices(
        company_change_from_message(event)
    ),
    events.CompanyInvitationSent: lambda event: team_notices.invitation_notices(
        invitation_from_message(event)
    ),
    events.CompanyMembershipChanged: lambda event: team_notices.membership_notices(
        membership_from_message(event)
    ),
    events.CompanyOwnershipTransferred: lambda event: team_notices.ownership_notices(
        ownership_from_message(event)
    ),
    events.ApiKeyChanged: lambda event: team_notices.api_key_notices(api_key_from_message(event)),
}
DISPATCHED_EVENTS: Final = (events.UserRegistered, events.ProfileUpdated, *_NOTICES)

QUEUES: Final = (
    WorkQueue(DISPATCH_QUEUE, DISPATCHED_EVENTS),
    WorkQueue(EMAIL_QUEUE, (events.EmailRequested,)),
    WorkQueue(ERASURES_QUEUE, (events.AccountErasureRequested, events.ApplicationAnonymised)),
)
"""The queues of this service."""


def all_subscriptions(
    repository: NotificationRepository,
    dispatcher: Dispatcher,
    mailer: Mailer,
    erasures: ErasePeople,
    late: LateEvents,
) -> tuple[Subscription, ...]:
    """Return the handlers of all queues."""
    recipients = UpdateRecipients(repository)
    return NotificationEventHandlers(recipients, dispatcher, mailer, erasures, late).subscriptions()
