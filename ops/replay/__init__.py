"""Derived data of a running stack, rebuilt from the source of truth by the services' own code."""

from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import uvloop

from chassis.clock import Clock, SystemClock
from chassis.mongo.mending import Progress
from chassis.mongo.shards import Shards
from ops.errors import OpsError
from ops.replay.figures import FiguresReplay, Sources
from ops.seed.rooms import open_service
from ops.stack.credentials import Credentials
from ops.stack.topology import Topology
from services.analytics.settings import Settings as AnalyticsSettings
from services.application.rebuilding import ApplicantsRebuilding
from services.application.settings import Settings as ApplicationSettings
from services.internship.service import Reindexing
from services.internship.settings import Settings as InternshipSettings

CLOCK: Final[Clock] = SystemClock()

Owners = tuple[str, ...]


@dataclass(frozen=True)
class Wanted:
    """What is to be rebuilt: `search`, `applicants` or `figures`, from what changed `since`, or from all."""

    service: str
    since: datetime | None
    write: bool


def replay_stack(topology: Topology, wanted: Wanted, progress: Progress) -> None:
    """Rebuilds while the stack serves; `progress` hears how far it is.

    Raises:
        OpsError: slots are moving between shards, or have moved meanwhile.
        DomainError: a shard does not answer; what was done stays done.
    """

    async def replay() -> None:
        async with AsyncExitStack() as closing:
            stores = _Stores(topology, Credentials.of(topology), closing)
            await _REPLAYS[wanted.service](stores, wanted, progress)
            stores.refuse_moved()

    uvloop.run(replay())


@dataclass(frozen=True)
class _Stores:
    """The services' shards. A run looks through one after the other, so no document may change its shard."""

    topology: Topology
    credentials: Credentials
    closing: AsyncExitStack
    opened: list[tuple[Shards, Owners]] = field(default_factory=list)

    async def internship(self) -> Shards:
        return await self._open("internship", InternshipSettings)

    async def application(self) -> Shards:
        return await self._open("application", ApplicationSettings)

    async def analytics(self) -> Shards:
        return await self._open("analytics", AnalyticsSettings)

    def refuse_moved(self) -> None:
        """Raises OpsError when slots have moved, or are moving, since the shards were opened."""
        for shards, owners in self.opened:
            if shards.slot_map.moving or shards.slot_map.owners != owners:
                raise OpsError(
                    "slots moved between shards meanwhile, and what they hold may have been missed: "
                    "run it again when none moves any more; see `ic shards list`"
                )

    async def _open(
        self,
        service: str,
        settings: type[InternshipSettings] | type[ApplicationSettings] | type[AnalyticsSettings],
    ) -> Shards:
        resources = await open_service(
            service, settings, self.topology, self.credentials, self.closing, clock=CLOCK
        )
        shards = resources.shards
        if shards.slot_map.moving:
            raise OpsError(
                "slots are moving between shards, and what they hold could be missed: "
                "run it again when none moves any more; see `ic shards list`"
            )
        self.opened.append((shards, shards.slot_map.owners))
        return shards


async def _search(stores: _Stores, wanted: Wanted, progress: Progress) -> None:
    await Reindexing(await stores.internship(), CLOCK, write=wanted.write).rebuild(wanted.since, progress)


async def _applicants(stores: _Stores, wanted: Wanted, progress: Progress) -> None:
    await ApplicantsRebuilding(await stores.application(), write=wanted.write).rebuild(wanted.since, progress)


async def _figures(stores: _Stores, wanted: Wanted, progress: Progress) -> None:
    sources = Sources(await stores.application(), await stores.internship(), CLOCK)
    await FiguresReplay(sources, await stores.analytics(), progress, write=wanted.write).run(wanted.since)


_REPLAYS: Final = {"search": _search, "applicants": _applicants, "figures": _figures}
SERVICES: Final = tuple(_REPLAYS)
