"""What the internship service reacts to: its own changes, which feed the index, and others' news."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from google.protobuf.message import Message

from chassis.clock import Clock
from chassis.messaging import Handler, Incoming, Subscription, WorkQueue
from chassis.mongo.shards import Shards
from internshipconnect.application.v1 import application_pb2 as application
from internshipconnect.events.v1 import events_pb2 as events
from internshipconnect.internship.v1 import internship_pb2 as pb
from internshipconnect.user.v1 import user_pb2 as user

from .search.entry import entry_of
from .service import Moderation, Openings, Upkeep
from .service.moderation import Judged
from .store import index

Told = events.InternshipCreated | events.InternshipUpdated | events.InternshipStateChanged


INDEXING: Final = "search-indexing"
OPENINGS: Final = "internship-openings"
COMPANIES: Final = "internship-companies"


@dataclass(frozen=True)
class Reactions:
    """The handlers and the queues that feed them."""

    shards: Shards
    clock: Clock
    openings: Openings
    upkeep: Upkeep
    moderation: Moderation

    def subscriptions(self) -> tuple[Subscription, ...]:
        """What happens with the events in each queue."""
        return (
            Subscription(INDEXING, self._bound(_INDEXED)),
            Subscription(OPENINGS, self._bound(_FREEING)),
            Subscription(COMPANIES, self._bound(_RENAMING), prefetch=4),
        )

    def _bound(self, reactions: "Mapping[type[Message], Reaction]") -> dict[type[Message], Handler]:
        return {kind: partial(reaction, self) for kind, reaction in reactions.items()}

    async def index(self, told: Told, incoming: Incoming) -> None:
        """Keeps the index in step: open listings are in it, all others are not. Versions order repeats."""
        listing, db = told.internship, self.shards.of(told.internship.id).db
        if listing.state == pb.INTERNSHIP_STATE_OPEN:
            await index.put(db, entry_of(listing), self.clock.now())
        else:
            await index.bury(db, listing.id, listing.version, self.clock.now())

    async def forget(self, deleted: events.InternshipDeleted, incoming: Incoming) -> None:
        """Keeps a deleted draft out of the index, whatever comes late."""
        db = self.shards.of(deleted.internship_id).db
        await index.bury(db, deleted.internship_id, deleted.version, self.clock.now())

    async def company_moved(self, moved: events.CompanyStateChanged, incoming: Incoming) -> None:
        """Follows how far a company is trusted."""
        news = Judged(
            company_id=moved.company_id,
            state=user.CompanyState.Name(moved.to).removeprefix("COMPANY_STATE_"),
            version=moved.company_version,
            moderator=moved.moderator,
            reason=moved.reason,
        )
        await self.moderation.company_moved(news, incoming)

    async def release(self, moved: events.ApplicationMoved, incoming: Incoming) -> None:
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

    async def rename(self, updated: events.CompanyUpdated, incoming: Incoming) -> None:
        """Lets listings follow their company's name; running again finds nothing left to do."""
        await self.upkeep.follow_company(updated.company_id)


Reaction = Callable[[Reactions, Any, Incoming], Awaitable[None]]

_INDEXED: Final[Mapping[type[Message], Reaction]] = {
    events.InternshipCreated: Reactions.index,
    events.InternshipUpdated: Reactions.index,
    events.InternshipStateChanged: Reactions.index,
    events.InternshipDeleted: Reactions.forget,
}
_FREEING: Final[Mapping[type[Message], Reaction]] = {events.ApplicationMoved: Reactions.release}
_RENAMING: Final[Mapping[type[Message], Reaction]] = {
    events.CompanyUpdated: Reactions.rename,
    events.CompanyStateChanged: Reactions.company_moved,
}

QUEUES: Final = (
    WorkQueue(INDEXING, tuple(_INDEXED)),
    WorkQueue(OPENINGS, tuple(_FREEING)),
    WorkQueue(COMPANIES, tuple(_RENAMING)),
)
"""The queues of this service: one for each kind of effect, so that none waits for another."""
