"""Derived data of a running stack, rebuilt from the source of truth by the services' own code."""

from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import uvloop

from chassis.clock import Clock, SystemClock
from chassis.mongo.mending import Progress
from chassis.mongo.shards import Shards
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


@dataclass(frozen=True)
class Wanted:
    """What is to be rebuilt: `search`, `applicants` or `figures`, from what changed `since`, or from all."""

    service: str
    since: datetime | None
    write: bool


def replay_stack(topology: Topology, wanted: Wanted, progress: Progress) -> None:
    """Rebuilds while the stack serves; `progress` hears how far it is.

    Raises DomainError when a shard does not answer: what was done stays done.
    """

    async def replay() -> None:
        async with AsyncExitStack() as closing:
            stores = _Stores(topology, Credentials.of(topology), closing)
            await _REPLAYS[wanted.service](stores, wanted, progress)

    uvloop.run(replay())


@dataclass(frozen=True)
class _Stores:
    topology: Topology
    credentials: Credentials
    closing: AsyncExitStack

    async def internship(self) -> Shards:
        return await self._open("internship", InternshipSettings)

    async def application(self) -> Shards:
        return await self._open("application", ApplicationSettings)

    async def analytics(self) -> Shards:
        return await self._open("analytics", AnalyticsSettings)

    async def _open(
        self,
        service: str,
        settings: type[InternshipSettings] | type[ApplicationSettings] | type[AnalyticsSettings],
    ) -> Shards:
        opened = await open_service(
            service, settings, self.topology, self.credentials, self.closing, clock=CLOCK
        )
        return opened.shards


async def _search(stores: _Stores, wanted: Wanted, progress: Progress) -> None:
    await Reindexing(await stores.internship(), CLOCK, write=wanted.write).rebuild(wanted.since, progress)


async def _applicants(stores: _Stores, wanted: Wanted, progress: Progress) -> None:
    await ApplicantsRebuilding(await stores.application(), write=wanted.write).rebuild(wanted.since, progress)


async def _figures(stores: _Stores, wanted: Wanted, progress: Progress) -> None:
    sources = Sources(await stores.application(), await stores.internship(), CLOCK)
    await FiguresReplay(sources, await stores.analytics(), progress, write=wanted.write).run(wanted.since)


_REPLAYS: Final = {"search": _search, "applicants": _applicants, "figures": _figures}
SERVICES: Final = tuple(_REPLAYS)
