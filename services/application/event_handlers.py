"""The events that the application service handles: its own, and listings that end."""

from typing import Final

from google.protobuf.message import Message

from chassis.messaging import EventHandler, IncomingEvent, QueueSubscription, WorkQueue
from internshipconnect.events.v1 import events_pb2 as events
from services.application.mapping import applicant_row_from_facts, listing_ending_from_message
from services.application.service.accept_offers import AcceptOffers
from services.application.service.end_with_listing import EndWithListing
from services.application.service.list_applicants import ListApplicants

APPLICANT_LIST_QUEUE: Final = WorkQueue(
    "application-views",
    (events.ApplicationSubmitted, events.ApplicationMoved, events.RejectionDisclosed),
)
ACCEPTANCE_QUEUE: Final = WorkQueue("application-acceptances", (events.AcceptanceStarted,))
LISTING_ENDING_QUEUE: Final = WorkQueue("application-listing-ends", (events.InternshipStateChanged,))

QUEUES: Final = (APPLICANT_LIST_QUEUE, ACCEPTANCE_QUEUE, LISTING_ENDING_QUEUE)


class ApplicationEventHandlers:
    """One method per event; each may be repeated."""

    def __init__(
        self, applicants: ListApplicants, acceptances: AcceptOffers, endings: EndWithListing
    ) -> None:
        self._applicants = applicants
        self._acceptances = acceptances
        self._endings = endings

    def subscriptions(self) -> tuple[QueueSubscription, ...]:
        """Return the queues with the handler of each event."""
        applicants: dict[type[Message], EventHandler] = {
            events.ApplicationSubmitted: self.application_submitted,
            events.ApplicationMoved: self.application_changed,
            events.RejectionDisclosed: self.application_changed,
        }
        acceptances: dict[type[Message], EventHandler] = {events.AcceptanceStarted: self.acceptance_started}
        endings: dict[type[Message], EventHandler] = {
            events.InternshipStateChanged: self.internship_state_changed
        }
        return (
            QueueSubscription(APPLICANT_LIST_QUEUE.name, applicants),
            # Each waits a moment for the call that began it, hence many at once.
            QueueSubscription(ACCEPTANCE_QUEUE.name, acceptances, prefetch=256, max_attempts=12),
            QueueSubscription(LISTING_ENDING_QUEUE.name, endings, prefetch=8),
        )

    async def application_submitted(
        self, event: events.ApplicationSubmitted, incoming: IncomingEvent
    ) -> None:
        """Add a new application to its listing's applicants, and end it if the listing has ended by now."""
        row = applicant_row_from_facts(event.application)
        await self._applicants.update_row(row, incoming)
        await self._endings.end_if_listing_ended(row.id, row.internship_id)

    async def application_changed(
        self, event: events.ApplicationMoved | events.RejectionDisclosed, incoming: IncomingEvent
    ) -> None:
        """Update the application in its listing's applicants."""
        await self._applicants.update_row(applicant_row_from_facts(event.application), incoming)

    async def acceptance_started(self, event: events.AcceptanceStarted, _incoming: IncomingEvent) -> None:
        """Finish an acceptance unless the call that began it does."""
        await self._acceptances.resume_acceptance(event.application_id)

    async def internship_state_changed(
        self, event: events.InternshipStateChanged, _incoming: IncomingEvent
    ) -> None:
        """End the live applications of a listing that has ended."""
        await self._endings.record_listing_ending(listing_ending_from_message(event))
