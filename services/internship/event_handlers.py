"""What the internship service reacts to: its own changes, which feed the index, and others' news."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from google.protobuf.message import Message

from chassis.clock import Clock
from chassis.messaging import EventHandler, IncomingEvent, QueueSubscription, WorkQueue
from chassis.sharding.shards import Shards
from internshipconnect.application.v1 import application_pb2 as application
from internshipconnect.events.v1 import events_pb2 as events
from internshipconnect.internship.v1 import internship_pb2 as pb
from internshipconnect.user.v1 import user_pb2 as user
from services.internship.repository import search_index
from services.internship.search.index_entry import build_index_entry
from services.internship.service import ListingUpkeep, ManageOpenings, ModerateListings
from services.internship.service.moderation import CompanyStateUpdate

ListingEventMessage = events.InternshipCreated | events.InternshipUpdated | events.InternshipStateChanged


INDEXING_QUEUE: Final = "search-indexing"
OPENINGS_QUEUE: Final = "internship-openings"
COMPANIES_QUEUE: Final = "internship-companies"


@dataclass(frozen=True)
class InternshipEventHandlers:
    """The handlers and the queues that feed them."""

    shards: Shards
    clock: Clock
    openings: ManageOpenings
    upkeep: ListingUpkeep
    moderation: ModerateListings

    def subscriptions(self) -> tuple[QueueSubscription, ...]:
        """What happens with the events in each queue."""
        return (
            QueueSubscription(INDEXING_QUEUE, self._bound(_INDEXING_HANDLERS)),
            QueueSubscription(OPENINGS_QUEUE, self._bound(_OPENING_HANDLERS)),
            QueueSubscription(COMPANIES_QUEUE, self._bound(_COMPANY_HANDLERS), prefetch=4),
        )

    def _bound(
        self, reactions: "Mapping[type[Message], InternshipEventHandler]"
    ) -> dict[type[Message], EventHandler]:
        return {kind: partial(reaction, self) for kind, reaction in reactions.items()}

    async def index(self, told: ListingEventMessage, incoming: IncomingEvent) -> None:
        """Keeps the index in step: open listings are in it, all others are not. Versions order repeats."""
        listing, db = told.internship, self.shards.shard_for(told.internship.id).db
        if listing.state == pb.INTERNSHIP_STATE_OPEN:
            await search_index.put_entry(db, build_index_entry(listing), self.clock.now())
        else:
            await search_index.mark_deleted(db, listing.id, listing.version, self.clock.now())

    async def forget(self, deleted: events.InternshipDeleted, incoming: IncomingEvent) -> None:
        """Keeps a deleted draft out of the index, whatever comes late."""
        db = self.shards.shard_for(deleted.internship_id).db
        await search_index.mark_deleted(db, deleted.internship_id, deleted.version, self.clock.now())

    async def company_moved(self, moved: events.CompanyStateChanged, incoming: IncomingEvent) -> None:
        """Follows how far a company is trusted."""
        news = CompanyStateUpdate(
            company_id=moved.company_id,
            state=user.CompanyState.Name(moved.to).removeprefix("COMPANY_STATE_"),
            version=moved.company_version,
            moderator=moved.moderator,
            reason=moved.reason,
        )
        await self.moderation.company_moved(news, incoming)

    async def release(self, moved: events.ApplicationMoved, incoming: IncomingEvent) -> None:
        """Frees the opening of an application that is neither hired nor offered any longer."""
        if moved.to == application.APPLICATION_STATE_HIRED:
            return
        await self.openings.release(
            moved.application.internship_id,
            moved.application.application_id,
            moved.application.version,
            was_hired=getattr(moved, "from") == application.APPLICATION_STATE_HIRED,
            offered=moved.to == application.APPLICATION_STATE_OFFERED,
            handling=incoming,
        )

    async def rename(self, updated: events.CompanyUpdated, incoming: IncomingEvent) -> None:
        """Lets listings follow their company's name; running again finds nothing left to do."""
        await self.upkeep.follow_company(updated.company_id)


InternshipEventHandler = Callable[[InternshipEventHandlers, Any, IncomingEvent], Awaitable[None]]

_INDEXING_HANDLERS: Final[Mapping[type[Message], InternshipEventHandler]] = {
    events.InternshipCreated: InternshipEventHandlers.index,
    events.InternshipUpdated: InternshipEventHandlers.index,
    events.InternshipStateChanged: InternshipEventHandlers.index,
    events.InternshipDeleted: InternshipEventHandlers.forget,
}
_OPENING_HANDLERS: Final[Mapping[type[Message], InternshipEventHandler]] = {
    events.ApplicationMoved: InternshipEventHandlers.release
}
_COMPANY_HANDLERS: Final[Mapping[type[Message], InternshipEventHandler]] = {
    events.CompanyUpdated: InternshipEventHandlers.rename,
    events.CompanyStateChanged: InternshipEventHandlers.company_moved,
}

QUEUES: Final = (
    WorkQueue(INDEXING_QUEUE, tuple(_INDEXING_HANDLERS)),
    WorkQueue(OPENINGS_QUEUE, tuple(_OPENING_HANDLERS)),
    WorkQueue(COMPANIES_QUEUE, tuple(_COMPANY_HANDLERS)),
)
"""The queues of this service: one for each kind of effect, so that none waits for another."""
