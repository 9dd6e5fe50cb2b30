"""The events that the auth service handles: memberships of companies, of which it keeps a copy for claims,
suspensions of companies, which end their API keys, and services' answers that a person is erased.

Its own registrations are among them: somebody who registers a company is its first member.
"""

from dataclasses import dataclass
from typing import Final

from google.protobuf.message import Message

from chassis.messaging import EventHandler, IncomingEvent, QueueSubscription, WorkQueue
from internshipconnect.events.v1.events_pb2 import (
    ApplicationPersonErased,
    CompanyMembershipChanged,
    CompanyStateChanged,
    NotificationPersonErased,
    UserPersonErased,
    UserRegistered,
)
from services.auth.mapping import founding_membership, is_suspended_by, membership_from_event
from services.auth.service.delete_accounts import DeleteAccounts
from services.auth.service.follow_memberships import FollowMemberships
from services.auth.service.manage_api_keys import ManageApiKeys
from services.auth.service.use_cases import AuthUseCases

MEMBERSHIPS_QUEUE: Final = "auth-memberships"
ERASURES_QUEUE: Final = "auth-erasures"
QUEUES: Final[tuple[WorkQueue, ...]] = (
    WorkQueue(MEMBERSHIPS_QUEUE, (CompanyMembershipChanged, CompanyStateChanged, UserRegistered)),
    WorkQueue(ERASURES_QUEUE, (UserPersonErased, ApplicationPersonErased, NotificationPersonErased)),
)
"""The queues of this service."""


@dataclass(frozen=True)
class AuthEventHandlers:
    """Keeps company and role of accounts as the user service has them; ends keys of suspended companies."""

    memberships: FollowMemberships
    api_keys: ManageApiKeys

    def subscriptions(self) -> tuple[QueueSubscription, ...]:
        """Return the queues with the handler of each event."""
        handlers: dict[type[Message], EventHandler] = {
            CompanyMembershipChanged: self.membership_changed,
            CompanyStateChanged: self.company_state_changed,
            UserRegistered: self.user_registered,
        }
        return (QueueSubscription(MEMBERSHIPS_QUEUE, handlers),)

    async def membership_changed(self, event: CompanyMembershipChanged, _: IncomingEvent) -> None:
        """Apply the membership; a repeat, and one that is older than the known one, changes nothing."""
        await self.memberships.apply(event.user_id, membership_from_event(event), event.actor_id)

    async def user_registered(self, event: UserRegistered, _: IncomingEvent) -> None:
        """Store who has registered a company; a repeat changes nothing."""
        founding = founding_membership(event)
        if founding is not None:
            await self.memberships.record_founder(event.user_id, founding)

    async def company_state_changed(self, event: CompanyStateChanged, _: IncomingEvent) -> None:
        """End the API keys of a suspended company; an older state than the known one changes nothing."""
        await self.api_keys.follow_company(
            event.company_id, is_suspended=is_suspended_by(event), company_version=event.company_version
        )


@dataclass(frozen=True)
class AcknowledgementEventHandlers:
    """Records which services have erased a person."""

    deletions: DeleteAccounts

    def subscriptions(self) -> tuple[QueueSubscription, ...]:
        """Return the queue with the handler of each event."""
        handlers: dict[type[Message], EventHandler] = {
            UserPersonErased: self.person_erased,
            ApplicationPersonErased: self.person_erased,
            NotificationPersonErased: self.person_erased,
        }
        return (QueueSubscription(ERASURES_QUEUE, handlers),)

    async def person_erased(
        self,
        event: UserPersonErased | ApplicationPersonErased | NotificationPersonErased,
        incoming: IncomingEvent,
    ) -> None:
        """Record the acknowledgement of the service that sent the event; a repeat changes nothing."""
        await self.deletions.acknowledge(event.user_id, incoming.source)


def all_subscriptions(cases: AuthUseCases) -> tuple[QueueSubscription, ...]:
    """Return the handlers of all queues."""
    return (
        *AuthEventHandlers(cases.memberships, cases.api_keys).subscriptions(),
        *AcknowledgementEventHandlers(cases.deletions).subscriptions(),
    )
