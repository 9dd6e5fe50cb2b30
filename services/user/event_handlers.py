"""What the user service reacts to: people who register and prove their address."""

from typing import Final

from chassis.messaging import IncomingEvent, QueueSubscription, WorkQueue
from internshipconnect.common.v1 import common_pb2 as common
from internshipconnect.events.v1.events_pb2 import UserRegistered, UserVerified
from services.user.domain import ProfileKind, RegisteredAccount
from services.user.service import ManageCompanies, ManageProfiles

USER_PROFILES_QUEUE: Final = "user-profiles"
QUEUES: Final = (WorkQueue(USER_PROFILES_QUEUE, (UserRegistered, UserVerified)),)


def subscription(profiles: ManageProfiles, companies: ManageCompanies) -> QueueSubscription:
    """Keeps profiles and companies' pages for those who register."""

    async def on_registered(event: UserRegistered, incoming: IncomingEvent) -> None:
        # Two effects on two shards: the page first, which is repeatable by itself, then the profile,
        # with which the event counts as handled.
        if event.company_id:
            await companies.registered(event.company_id, event.company_name)
        await profiles.registered(_registered_account(event), incoming)

    async def on_verified(event: UserVerified, incoming: IncomingEvent) -> None:
        await profiles.verified(event.user_id, incoming)

    return QueueSubscription(USER_PROFILES_QUEUE, {UserRegistered: on_registered, UserVerified: on_verified})


def _registered_account(event: UserRegistered) -> RegisteredAccount:
    return RegisteredAccount(
        user_id=event.user_id,
        email=event.email,
        name=event.name,
        kind=ProfileKind(common.AccountKind.Name(event.kind).removeprefix("ACCOUNT_KIND_")),
        company_id=event.company_id,
        account_version=event.account_version,
        email_verified=event.email_verified,
    )
