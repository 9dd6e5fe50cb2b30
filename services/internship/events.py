"""What the internship service reacts to: its own changes, which feed the index, and others' news."""

from dataclasses import dataclass

from chassis.clock import Clock
from chassis.messaging import Incoming, Subscription
from chassis.mongo.shards import Shards
from internshipconnect.application.v1 import application_pb2 as application
from internshipconnect.events.v1 import events_pb2 as events
from internshipconnect.internship.v1 import internship_pb2 as pb

from .search.entry import entry_of
from .service import Openings, Upkeep
from .store import index

Told = events.InternshipCreated | events.InternshipUpdated | events.InternshipStateChanged


@dataclass(frozen=True)
class Reactions:
    """The handlers and the queues that feed them."""

    shards: Shards
    clock: Clock
    openings: Openings
    upkeep: Upkeep

    def subscriptions(self) -> tuple[Subscription, ...]:
        """One queue for each kind of effect, so that none waits for another."""
        return (
            Subscription(
                "search-indexing",
                {
                    events.InternshipCreated: self.index,
                    events.InternshipUpdated: self.index,
                    events.InternshipStateChanged: self.index,
                },
            ),
            Subscription("internship-openings", {events.ApplicationMoved: self.release}),
            Subscription("internship-companies", {events.CompanyUpdated: self.rename}, prefetch=4),
        )

    async def index(self, told: Told, incoming: Incoming) -> None:
        """Keeps the index in step: open listings are in it, all others are not. Versions order repeats."""
        listing, db = told.internship, self.shards.of(told.internship.id).db
        if listing.state == pb.INTERNSHIP_STATE_OPEN:
            await index.put(db, entry_of(listing), self.clock.now())
        else:
            await index.bury(db, listing.id, listing.version, self.clock.now())

    async def release(self, moved: events.ApplicationMoved, incoming: Incoming) -> None:
        """Frees the opening of an application that is hired no longer."""
        if moved.to == application.APPLICATION_STATE_HIRED:
            return
        await self.openings.release(
            moved.application.internship_id,
            moved.application.application_id,
            moved.application.version,
            was_hired=getattr(moved, "from") == application.APPLICATION_STATE_HIRED,
            handling=incoming,
        )

    async def rename(self, updated: events.CompanyUpdated, incoming: Incoming) -> None:
        """Lets listings follow their company's name; running again finds nothing left to do."""
        await self.upkeep.follow_company(updated.company_id)
