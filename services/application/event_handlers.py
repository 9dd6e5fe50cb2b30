"""The events that the application service handles: its own, and listings that end."""

from collections.abc import Sequence
from typing import Final

from google.protobuf.message import Message

from chassis.erasures import ErasePeople
from chassis.messaging import (
    BatchSubscription,
    EventHandler,
    IncomingEvent,
    QueueSubscription,
    ReceivedEvent,
    Subscription,
    WorkQueue,
)
from internshipconnect.events.v1 import events_pb2 as events
from services.application.mapping import applicant_row_from_facts, listing_ending_from_message
from services.application.service.accept_offers import AcceptOffers
from services.application.service.end_with_listing import EndWithListing
from services.application.service.list_applicants import ListApplicants
from services.application.service.use_cases import ApplicationUseCases

APPLICANT_LIST_QUEUE: Final = WorkQueue(
    "application-views",
    (
        events.ApplicationSubmitted,
        events.ApplicationMoved,
        events.RejectionDisclosed,
        events.ApplicationAnonymised,
    ),
)
ACCEPTANCE_QUEUE: Final = WorkQueue("application-acceptances", (events.AcceptanceStarted,))
LISTING_ENDING_QUEUE: Final = WorkQueue("application-listing-ends", (events.InternshipStateChanged,))
ERASURES_QUEUE: Final = WorkQueue("application-erasures", (events.AccountErasureRequested,))

QUEUES: Final = (APPLICANT_LIST_QUEUE, ACCEPTANCE_QUEUE, LISTING_ENDING_QUEUE, ERASURES_QUEUE)


class ApplicationEventHandlers:
    """One method per event; each may be repeated."""

    def __init__(
        self,
        applicants: ListApplicants,
        acceptances: AcceptOffers,
        endings: EndWithListing,
        erasures: ErasePeople,
    ) -> None:
        self._applicants = applicants
        self._acceptances = acceptances
        self._endings = endings
        self._erasures = erasures

    def subscriptions(self) -> tuple[Subscription, ...]:
        """Return the queues with the handlers of their events."""
        acceptances: dict[type[Message], EventHandler] = {events.AcceptanceStarted: self.acceptance_started}
        endings: dict[type[Message], EventHandler] = {
            events.InternshipStateChanged: self.internship_state_changed
        }
        return (
            BatchSubscription(
                APPLICANT_LIST_QUEUE.name, APPLICANT_LIST_QUEUE.event_types, self.applications_changed
            ),
            # Each waits a moment for the call that began it, hence many at once.
            QueueSubscription(ACCEPTANCE_QUEUE.name, acceptances, prefetch=256, max_attempts=12),
            QueueSubscription(LISTING_ENDING_QUEUE.name, endings, prefetch=8),
            QueueSubscription(ERASURES_QUEUE.name, {events.AccountErasureRequested: self.erasure_requested}),
        )

    async def applications_changed(self, received: Sequence[ReceivedEvent]) -> None:
        """Update the lists of applicants, and end new applications whose listings have ended by now."""
        rows = [applicant_row_from_facts(each.message.application) for each in received]
        await self._applicants.update_rows(rows)
        await self._endings.end_if_listings_ended(
            row
            for row, each in zip(rows, received, strict=True)
            if isinstance(each.message, events.ApplicationSubmitted)
        )

    async def acceptance_started(self, event: events.AcceptanceStarted, _incoming: IncomingEvent) -> None:
        """Finish an acceptance unless the call that began it does."""
        await self._acceptances.resume_acceptance(event.application_id)

    async def internship_state_changed(
        self, event: events.InternshipStateChanged, _incoming: IncomingEvent
    ) -> None:
        """End the live applications of a listing that has ended."""
        await self._endings.record_listing_ending(listing_ending_from_message(event))

    async def erasure_requested(
        self, event: events.AccountErasureRequested, _incoming: IncomingEvent
    ) -> None:
        """Store the person's tombstone; the job erases. A repeat has it done once more."""
        await self._erasures.request_erasure(event.user_id)


def all_subscriptions(cases: ApplicationUseCases, erasures: ErasePeople) -> tuple[Subscription, ...]:
    """Return the handlers of all queues."""
    handlers = ApplicationEventHandlers(cases.applicants, cases.acceptance, cases.ending, erasures)
    return handlers.subscriptions()
