"""What this service reacts to: its own events, and listings that end."""

from collections.abc import Mapping
from datetime import UTC
from typing import Final

from google.protobuf.message import Message

from chassis.messaging import EventHandler, IncomingEvent, QueueSubscription, WorkQueue
from internshipconnect.application.v1 import application_pb2 as pb
from internshipconnect.events.v1 import events_pb2 as events
from internshipconnect.internship.v1 import internship_pb2 as internship
from services.application.domain.model import ApplicationState, ClosedReason, ListingEnding
from services.application.repository import ApplicantRow
from services.application.service import AcceptOffers, ApplicationUpkeep, ListApplicants

APPLICANT_LIST_QUEUE: Final = WorkQueue(
    "application-views",
    (events.ApplicationSubmitted, events.ApplicationMoved, events.RejectionDisclosed),
)
ACCEPTANCE_QUEUE: Final = WorkQueue("application-acceptances", (events.AcceptanceStarted,))
LISTING_ENDING_QUEUE: Final = WorkQueue("application-listing-ends", (events.InternshipStateChanged,))

QUEUES: Final = (APPLICANT_LIST_QUEUE, ACCEPTANCE_QUEUE, LISTING_ENDING_QUEUE)


class ApplicationEventHandlers:
    """How each event is answered; every reaction may be repeated."""

    def __init__(
        self, applicants: ListApplicants, acceptances: AcceptOffers, upkeep: ApplicationUpkeep
    ) -> None:
        self._applicants = applicants
        self._acceptances = acceptances
        self._upkeep = upkeep

    def subscriptions(self) -> tuple[QueueSubscription, ...]:
        """The queues and their events."""
        views: dict[type[Message], EventHandler] = {
            events.ApplicationSubmitted: self.submitted,
            events.ApplicationMoved: self.changed,
            events.RejectionDisclosed: self.changed,
        }
        acceptances: dict[type[Message], EventHandler] = {events.AcceptanceStarted: self.acceptance_started}
        ends: dict[type[Message], EventHandler] = {events.InternshipStateChanged: self.listing_changed}
        return (
            QueueSubscription(APPLICANT_LIST_QUEUE.name, views),
            # Each waits a moment for its caller, hence many at once.
            QueueSubscription(ACCEPTANCE_QUEUE.name, acceptances, prefetch=256, max_attempts=12),
            QueueSubscription(LISTING_ENDING_QUEUE.name, ends, prefetch=8),
        )

    async def submitted(self, event: events.ApplicationSubmitted, incoming: IncomingEvent) -> None:
        """Shows a new application to its listing's company, and ends it if the listing has ended by now."""
        await self._applicants.show(applicant_row_from_facts(event.application), incoming)
        known = event.application
        await self._upkeep.end_if_over(known.application_id, known.internship_id)

    async def changed(
        self, event: events.ApplicationMoved | events.RejectionDisclosed, incoming: IncomingEvent
    ) -> None:
        """Shows where an application is now."""
        await self._applicants.show(applicant_row_from_facts(event.application), incoming)

    async def acceptance_started(self, event: events.AcceptanceStarted, _incoming: IncomingEvent) -> None:
        """Carries an accept through if whoever began it does not."""
        await self._acceptances.resume(event.application_id)

    async def listing_changed(self, event: events.InternshipStateChanged, _incoming: IncomingEvent) -> None:
        """Ends what is alive for a listing that has ended."""
        reason = _ENDING_REASONS.get(event.to)
        if reason is ClosedReason.LISTING_ARCHIVED and _was_suspended(event):
            reason = ClosedReason.COMPANY_SUSPENDED
        await self._upkeep.listing_moved(
            ListingEnding(
                id=event.internship.id,
                version=event.internship.version,
                reason=reason,
                pending=reason is not None,
            )
        )


_ENDING_REASONS: Final[Mapping[int, ClosedReason]] = {
    internship.INTERNSHIP_STATE_FILLED: ClosedReason.LISTING_FILLED,
    internship.INTERNSHIP_STATE_CLOSED: ClosedReason.LISTING_ENDED,
    internship.INTERNSHIP_STATE_ARCHIVED: ClosedReason.LISTING_ARCHIVED,
}
"""States with which what is alive ends; EXPIRED and PAUSED stop the intake only, SUSPENDED may be undone."""


def _was_suspended(event: events.InternshipStateChanged) -> bool:
    # `from` is a word of Python's, so the field has to be asked for by name.
    return bool(getattr(event, "from") == internship.INTERNSHIP_STATE_SUSPENDED)


def applicant_row_from_facts(known: events.ApplicationFacts) -> ApplicantRow:
    """The row of the applicants' view that an event's facts make."""
    return ApplicantRow(
        id=known.application_id,
        internship_id=known.internship_id,
        company_id=known.company_id,
        student_id=known.student_id,
        name=known.student_name,
        headline=known.student_headline,
        state=ApplicationState(pb.ApplicationState.Name(known.state).removeprefix("APPLICATION_STATE_")),
        submit_time=known.submit_time.ToDatetime(tzinfo=UTC),
        update_time=known.update_time.ToDatetime(tzinfo=UTC),
        version=known.version,
    )
