"""The events that the user service handles: accounts that are registered and verified."""

from dataclasses import dataclass
from typing import Final

from google.protobuf.message import Message

from chassis.messaging import EventHandler, IncomingEvent, QueueSubscription, WorkQueue
from internshipconnect.events.v1.events_pb2 import UserRegistered, UserVerified
from services.user.mapping import registered_account
from services.user.service.manage_companies import ManageCompanies
from services.user.service.manage_profiles import ManageProfiles

USER_PROFILES_QUEUE: Final = "user-profiles"
QUEUES: Final = (WorkQueue(USER_PROFILES_QUEUE, (UserRegistered, UserVerified)),)
"""The queues of this service."""


@dataclass(frozen=True)
class UserEventHandlers:
    """Keeps profiles and companies of accounts."""

    profiles: ManageProfiles
    companies: ManageCompanies

    def subscriptions(self) -> tuple[QueueSubscription, ...]:
        """Return the handlers of each queue."""
        handlers: dict[type[Message], EventHandler] = {
            UserRegistered: self.user_registered,
            UserVerified: self.user_verified,
        }
        return (QueueSubscription(USER_PROFILES_QUEUE, handlers),)

    async def user_registered(self, event: UserRegistered, incoming: IncomingEvent) -> None:
        """Store company and profile.

        These are two transactions on two shards: the company first, which is repeatable by itself, then the
        profile, with which the event counts as handled.
        """
        if event.company_id:
            await self.companies.record_registration(event.company_id, event.company_name)
        await self.profiles.record_registration(registered_account(event), incoming)

    async def user_verified(self, event: UserVerified, incoming: IncomingEvent) -> None:
        """Record that the address is verified."""
        await self.profiles.record_verification(event.user_id, incoming)
