"""Derived data of a running stack, rebuilt from the source of truth by the services' own code."""

from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import uvloop

from chassis.clock import Clock, SystemClock
from chassis.sharding.reconciler import ReconcileProgress
from chassis.sharding.shards import Shards
from devstack.credentials import Credentials
from devstack.seed.in_process_services import open_service_resources
from devstack.topology import Topology
from ops.errors import OpsError
from ops.replay.figures import FigureSources, FiguresReplay
from services.analytics.settings import AnalyticsSettings as AnalyticsSettings
from services.application.rebuild import ApplicantListRebuilder
from services.application.repository import ApplicantRepository, ApplicationRepository
from services.application.settings import ApplicationSettings as ApplicationSettings
from services.internship.rebuild import SearchIndexRebuilder
from services.internship.settings import InternshipSettings as InternshipSettings

CLOCK: Final[Clock] = SystemClock()

SlotOwners = tuple[str, ...]


@dataclass(frozen=True)
class ReplayRequest:
    """What is to be rebuilt: `search`, `applicants` or `figures`, from what changed `since`, or from all."""

    service: str
    since: datetime | None
    write: bool


def replay_derived_data(topology: Topology, wanted: ReplayRequest, progress: ReconcileProgress) -> None:
    """Rebuilds while the stack serves; `progress` hears how far it is.

    Raises:
        OpsError: slots are moving between shards, or have moved meanwhile.
        DomainError: a shard does not answer; what was done stays done.
    """

    async def replay() -> None:
        async with AsyncExitStack() as closing:
            stores = _ServiceShards(topology, Credentials.of(topology), closing)
            await _REPLAYS[wanted.service](stores, wanted, progress)
            stores.refuse_moved()

    uvloop.run(replay())


@dataclass(frozen=True)
class _ServiceShards:
    """The services' shards. A run looks through one after the other, so no document may change its shard."""

    topology: Topology
    credentials: Credentials
    closing: AsyncExitStack
    opened: list[tuple[Shards, SlotOwners]] = field(default_factory=list)

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
        resources = await open_service_resources(
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


async def _replay_search(stores: _ServiceShards, wanted: ReplayRequest, progress: ReconcileProgress) -> None:
    await SearchIndexRebuilder(await stores.internship(), CLOCK, write=wanted.write).rebuild(
        wanted.since, progress
    )


async def _replay_applicants(
    stores: _ServiceShards, wanted: ReplayRequest, progress: ReconcileProgress
) -> None:
    shards = await stores.application()
    rebuilder = ApplicantListRebuilder(
        ApplicationRepository(shards), ApplicantRepository(shards), write=wanted.write
    )
    await rebuilder.rebuild(wanted.since, progress)


async def _replay_figures(stores: _ServiceShards, wanted: ReplayRequest, progress: ReconcileProgress) -> None:
    sources = FigureSources(await stores.application(), await stores.internship(), CLOCK)
    await FiguresReplay(sources, await stores.analytics(), progress, write=wanted.write).run(wanted.since)


_REPLAYS: Final = {"search": _replay_search, "applicants": _replay_applicants, "figures": _replay_figures}
REPLAY_KINDS: Final = tuple(_REPLAYS)
