"""The events that the internship service handles: its own update the index, others' change listings."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from google.protobuf.message import Message

from chassis.message_fields import from_field
from chassis.messaging import EventHandler, IncomingEvent, QueueSubscription, WorkQueue
from internshipconnect.application.v1 import application_pb2 as application
from internshipconnect.events.v1 import events_pb2 as events
from internshipconnect.internship.v1 import internship_pb2 as pb
from services.internship.mapping.listings import COMPANY_STATES
from services.internship.mapping.search import index_entry_from_message
from services.internship.search.port import SearchIndex
from services.internship.service.follow_company import CompanyStateUpdate, FollowCompany
from services.internship.service.manage_openings import ManageOpenings

ListingEventMessage = events.InternshipCreated | events.InternshipUpdated | events.InternshipStateChanged


INDEXING_QUEUE: Final = "search-indexing"
OPENINGS_QUEUE: Final = "internship-openings"
COMPANIES_QUEUE: Final = "internship-companies"


@dataclass(frozen=True)
class InternshipEventHandlers:
    """The handlers and the queues that feed them."""

    index: SearchIndex
    openings: ManageOpenings
    companies: FollowCompany

    def subscriptions(self) -> tuple[QueueSubscription, ...]:
        """Return the handlers of each queue."""
        return (
            QueueSubscription(INDEXING_QUEUE, self._bound(_INDEXING_HANDLERS)),
            QueueSubscription(OPENINGS_QUEUE, self._bound(_OPENING_HANDLERS)),
            QueueSubscription(COMPANIES_QUEUE, self._bound(_COMPANY_HANDLERS), prefetch=4),
        )

    def _bound(
        self, handlers: "Mapping[type[Message], InternshipEventHandler]"
    ) -> dict[type[Message], EventHandler]:
        return {kind: partial(handler, self) for kind, handler in handlers.items()}

    async def index_listing(self, event: ListingEventMessage, incoming: IncomingEvent) -> None:
        """Index the listing if it is open, remove it otherwise. Versions order repeats and late events."""
        listing = event.internship
        if listing.state == pb.INTERNSHIP_STATE_OPEN:
            await self.index.put(index_entry_from_message(listing))
        else:
            await self.index.delete(listing.id, listing.version)

    async def remove_listing(self, event: events.InternshipDeleted, incoming: IncomingEvent) -> None:
        """Remove a deleted draft from the index for good, even if an older event arrives later."""
        await self.index.delete(event.internship_id, event.version)

    async def company_state_changed(self, event: events.CompanyStateChanged, incoming: IncomingEvent) -> None:
        """Update the trust in a company."""
        update = CompanyStateUpdate(
            company_id=event.company_id,
            state=COMPANY_STATES.name(event.to),
            version=event.company_version,
            moderator=event.moderator,
            reason=event.reason,
        )
        await self.companies.follow_company_state(update, incoming)

    async def application_moved(self, event: events.ApplicationMoved, incoming: IncomingEvent) -> None:
        """Release the opening of an application that is neither hired nor offered any longer."""
        if event.to == application.APPLICATION_STATE_HIRED:
            return
        await self.openings.release_opening(
            event.application.internship_id,
            event.application.application_id,
            event.application.version,
            was_hired=from_field(event) == application.APPLICATION_STATE_HIRED,
            offered=event.to == application.APPLICATION_STATE_OFFERED,
            handling=incoming,
        )

    async def company_updated(self, event: events.CompanyUpdated, incoming: IncomingEvent) -> None:
        """Update the company's name in its listings; a repeat changes nothing."""
        await self.companies.follow_company_name(event.company_id)


InternshipEventHandler = Callable[[InternshipEventHandlers, Any, IncomingEvent], Awaitable[None]]

_INDEXING_HANDLERS: Final[Mapping[type[Message], InternshipEventHandler]] = {
    events.InternshipCreated: InternshipEventHandlers.index_listing,
    events.InternshipUpdated: InternshipEventHandlers.index_listing,
    events.InternshipStateChanged: InternshipEventHandlers.index_listing,
    events.InternshipDeleted: InternshipEventHandlers.remove_listing,
}
_OPENING_HANDLERS: Final[Mapping[type[Message], InternshipEventHandler]] = {
    events.ApplicationMoved: InternshipEventHandlers.application_moved,
}
_COMPANY_HANDLERS: Final[Mapping[type[Message], InternshipEventHandler]] = {
    events.CompanyUpdated: InternshipEventHandlers.company_updated,
    events.CompanyStateChanged: InternshipEventHandlers.company_state_changed,
}

QUEUES: Final = (
    WorkQueue(INDEXING_QUEUE, tuple(_INDEXING_HANDLERS)),
    WorkQueue(OPENINGS_QUEUE, tuple(_OPENING_HANDLERS)),
    WorkQueue(COMPANIES_QUEUE, tuple(_COMPANY_HANDLERS)),
)
"""The queues of this service: one for each kind of effect, so that none waits for another."""
