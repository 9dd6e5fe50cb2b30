"""The events that the user service handles: of accounts, and its own of members and of documents."""

from dataclasses import dataclass, replace
from typing import Final

from google.protobuf.message import Message

from chassis.erasures import ErasePeople, LateEvents
from chassis.messaging import EventHandler, IncomingEvent, QueueSubscription, WorkQueue
from internshipconnect.events.v1.events_pb2 import (
    AccountErasureRequested,
    ApplicationAccessed,
    CompanyMembershipChanged,
    DocumentContentsReleased,
    DocumentUploaded,
    EmailChanged,
    ResumeReady,
    UserRegistered,
    UserVerified,
)
from services.user.mapping import registered_account
from services.user.profile_mapping import look_from_event
from services.user.service.document_use_cases import DocumentUseCases
from services.user.service.manage_companies import ManageCompanies
from services.user.service.manage_profiles import ManageProfiles
from services.user.service.membership_claims import MembershipClaims
from services.user.service.profile_use_cases import ProfileUseCases
from services.user.service.read_resumes import ReadResumes
from services.user.service.scan_documents import ScanDocuments
from services.user.service.view_students import ViewStudents

USER_PROFILES_QUEUE: Final = "user-profiles"
DOCUMENT_SCANNING_QUEUE: Final = "document-scanning"
DOCUMENT_CONTENTS_QUEUE: Final = "document-contents"
RESUME_PARSING_QUEUE: Final = "resume-parsing"
PROFILE_ACCESSES_QUEUE: Final = "profile-accesses"
ERASURES_QUEUE: Final = "user-erasures"
QUEUES: Final = (
    WorkQueue(USER_PROFILES_QUEUE, (UserRegistered, UserVerified, EmailChanged, CompanyMembershipChanged)),
    WorkQueue(DOCUMENT_SCANNING_QUEUE, (DocumentUploaded,)),
    WorkQueue(DOCUMENT_CONTENTS_QUEUE, (DocumentContentsReleased,)),
    WorkQueue(RESUME_PARSING_QUEUE, (ResumeReady,)),
    WorkQueue(PROFILE_ACCESSES_QUEUE, (ApplicationAccessed,)),
    WorkQueue(ERASURES_QUEUE, (AccountErasureRequested,)),
)
"""The queues of this service."""
MAX_CONCURRENT_SCANS: Final = 4
"""Of each process: each holds its content in memory."""
MAX_CONCURRENT_READINGS: Final = 1
"""Of each process: each starts a process of its own, with up to 512 MB of memory."""


@dataclass(frozen=True)
class UserEventHandlers:
    """Keeps profiles and companies of accounts."""

    profiles: ManageProfiles
    companies: ManageCompanies
    claims: MembershipClaims

    def subscriptions(self) -> tuple[QueueSubscription, ...]:
        """Return the handlers of each queue."""
        handlers: dict[type[Message], EventHandler] = {
            UserRegistered: self.user_registered,
            UserVerified: self.user_verified,
            CompanyMembershipChanged: self.membership_changed,
            EmailChanged: self.email_changed,
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

    async def membership_changed(self, event: CompanyMembershipChanged, incoming: IncomingEvent) -> None:
        """Confirm or release the member's claim of the company, in case the call itself did not."""
        settle = self.claims.confirm if event.role else self.claims.release
        await settle(event.user_id, event.company_id, event.membership_number, incoming)

    async def email_changed(self, event: EmailChanged, incoming: IncomingEvent) -> None:
        """Store the account's other address."""
        await self.profiles.record_email(event.user_id, event.email, event.account_version, incoming)


@dataclass(frozen=True)
class DocumentEventHandlers:
    """Checks contents that have come, and deletes those that nothing holds any more."""

    scanning: ScanDocuments

    def subscriptions(self) -> tuple[QueueSubscription, ...]:
        """Return the handlers of each queue: while a scanner is down, deletions go on."""
        return (
            QueueSubscription(
                DOCUMENT_SCANNING_QUEUE,
                {DocumentUploaded: self.document_uploaded},
                prefetch=MAX_CONCURRENT_SCANS,
            ),
            QueueSubscription(
                DOCUMENT_CONTENTS_QUEUE, {DocumentContentsReleased: self.document_contents_released}
            ),
        )

    async def document_uploaded(self, event: DocumentUploaded, _: IncomingEvent) -> None:
        """Check the content; a repeat finds that it was done."""
        await self.scanning.scan_version(event.user_id, event.document_id, event.version)

    async def document_contents_released(self, event: DocumentContentsReleased, _: IncomingEvent) -> None:
        """Delete the contents; a repeat finds none."""
        await self.scanning.delete_contents(event.user_id, event.blob_keys)


@dataclass(frozen=True)
class ResumeEventHandlers:
    """Reads résumés that have passed their check."""

    reading: ReadResumes

    def subscriptions(self) -> tuple[QueueSubscription, ...]:
        """Return the handlers of each queue."""
        handlers: dict[type[Message], EventHandler] = {ResumeReady: self.resume_ready}
        return (QueueSubscription(RESUME_PARSING_QUEUE, handlers, prefetch=MAX_CONCURRENT_READINGS),)

    async def resume_ready(self, event: ResumeReady, _: IncomingEvent) -> None:
        """Read the résumé; a repeat finds that it was done."""
        await self.reading.read_version(event.user_id, event.document_id, event.version)


@dataclass(frozen=True)
class AccessEventHandlers:
    """Writes students' access logs."""

    views: ViewStudents

    def subscriptions(self) -> tuple[QueueSubscription, ...]:
        """Return the handlers of each queue."""
        handlers: dict[type[Message], EventHandler] = {ApplicationAccessed: self.application_accessed}
        return (QueueSubscription(PROFILE_ACCESSES_QUEUE, handlers),)

    async def application_accessed(self, event: ApplicationAccessed, incoming: IncomingEvent) -> None:
        """Add the look to the log."""
        await self.views.record_application_look(look_from_event(event), incoming)


@dataclass(frozen=True)
class ErasureEventHandlers:
    """Has people erased."""

    erasures: ErasePeople

    def subscriptions(self) -> tuple[QueueSubscription, ...]:
        """Return the handlers of each queue."""
        return (QueueSubscription(ERASURES_QUEUE, {AccountErasureRequested: self.erasure_requested}),)

    async def erasure_requested(self, event: AccountErasureRequested, _: IncomingEvent) -> None:
        """Store the person's tombstone; the job erases. A repeat has it done once more."""
        await self.erasures.request_erasure(event.user_id)


def all_subscriptions(
    people: ProfileUseCases,
    claims: MembershipClaims,
    documents: DocumentUseCases,
    erasures: ErasePeople,
    late: LateEvents,
) -> tuple[QueueSubscription, ...]:
    """Return the handlers of all queues; those that store something of a person drop late events."""
    users = UserEventHandlers(people.profiles, people.companies, claims)
    storing = (*users.subscriptions(), *AccessEventHandlers(people.views).subscriptions())
    return (
        *(_guarded(each, late) for each in storing),
        *DocumentEventHandlers(documents.scanning).subscriptions(),
        *ResumeEventHandlers(documents.reading).subscriptions(),
        *ErasureEventHandlers(erasures).subscriptions(),
    )


def _guarded(subscription: QueueSubscription, late: LateEvents) -> QueueSubscription:
    handlers = {kind: late.guard(handler) for kind, handler in subscription.handlers.items()}
    return replace(subscription, handlers=handlers)
