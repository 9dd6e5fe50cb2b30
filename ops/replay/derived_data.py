"""Rebuilds derived data of a running cluster from the source of truth, by the services' own code."""

from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import uvloop

from chassis.clock import Clock, SystemClock
from chassis.sharding.reconciler import ReconcileProgress
from chassis.sharding.shards import Shards
from ops.cluster import Cluster
from ops.errors import OpsError
from ops.in_process_services import open_service_resources
from ops.replay.figures import FigureSources, FiguresReplay
from services.analytics.settings import AnalyticsSettings
from services.application.rebuild import ApplicantListRebuilder
from services.application.repository import ApplicantRepository, ApplicationRepository
from services.application.settings import ApplicationSettings
from services.auth.rebuild import CompanyMembersRebuilder
from services.auth.repository import AccountRepository, CompanyPlanRepository
from services.auth.settings import AuthSettings
from services.internship.rebuild import SearchIndexRebuilder
from services.internship.repository.listings import ListingRepository
from services.internship.repository.search_index import MongoSearchIndex
from services.internship.settings import InternshipSettings

CLOCK: Final[Clock] = SystemClock()

SlotOwners = tuple[str, ...]


@dataclass(frozen=True)
class ReplayRequest:
    """The `kind` to rebuild, one of `REPLAY_KINDS`, from changes since `since` or from all."""

    kind: str
    since: datetime | None
    write: bool


def replay_derived_data(cluster: Cluster, request: ReplayRequest, progress: ReconcileProgress) -> None:
    """Rebuild while the cluster serves; `progress` receives the numbers of examined documents.

    Raises:
        OpsError: slots are moving between shards, or have moved since it began.
        DomainError: a shard does not answer; finished repairs are kept.
    """

    async def replay() -> None:
        async with AsyncExitStack() as closing:
            stores = _ServiceShards(cluster, closing)
            await _REPLAYS[request.kind](stores, request, progress)
            stores.require_unmoved()

    uvloop.run(replay())


@dataclass(frozen=True)
class _ServiceShards:
    """The services' shards. A run reads one after the other, so no document may change its shard."""

    cluster: Cluster
    closing: AsyncExitStack
    opened: list[tuple[Shards, SlotOwners]] = field(default_factory=list)

    async def internship(self) -> Shards:
        return await self._open("internship", InternshipSettings)

    async def application(self) -> Shards:
        return await self._open("application", ApplicationSettings)

    async def auth(self) -> Shards:
        return await self._open("auth", AuthSettings)

    async def analytics(self) -> Shards:
        return await self._open("analytics", AnalyticsSettings)

    def require_unmoved(self) -> None:
        """Raise OpsError when slots have moved, or are moving, since the shards were opened."""
        for shards, owners in self.opened:
            if shards.slot_map.moving or shards.slot_map.owners != owners:
                raise OpsError(
                    "slots moved between shards meanwhile, and what they hold may have been missed: "
                    "run it again when none moves any more; see `ic shards list`"
                )

    async def _open(
        self,
        service: str,
        settings: type[InternshipSettings]
        | type[ApplicationSettings]
        | type[AnalyticsSettings]
        | type[AuthSettings],
    ) -> Shards:
        resources = await open_service_resources(service, settings, self.cluster, self.closing, clock=CLOCK)
        shards = resources.shards
        if shards.slot_map.moving:
            raise OpsError(
                "slots are moving between shards, and what they hold could be missed: "
                "run it again when none moves any more; see `ic shards list`"
            )
        self.opened.append((shards, shards.slot_map.owners))
        return shards


async def _replay_search(stores: _ServiceShards, request: ReplayRequest, progress: ReconcileProgress) -> None:
    shards = await stores.internship()
    listings, index = ListingRepository(shards, CLOCK), MongoSearchIndex(shards, CLOCK)
    await SearchIndexRebuilder(listings, index, CLOCK, write=request.write).rebuild(request.since, progress)


async def _replay_applicants(
    stores: _ServiceShards, request: ReplayRequest, progress: ReconcileProgress
) -> None:
    shards = await stores.application()
    rebuilder = ApplicantListRebuilder(
        ApplicationRepository(shards), ApplicantRepository(shards), write=request.write
    )
    await rebuilder.rebuild(request.since, progress)


async def _replay_figures(
    stores: _ServiceShards, request: ReplayRequest, progress: ReconcileProgress
) -> None:
    sources = FigureSources(await stores.application(), await stores.internship(), CLOCK)
    await FiguresReplay(sources, await stores.analytics(), progress, write=request.write).replay(
        request.since
    )


async def _replay_members(
    stores: _ServiceShards, request: ReplayRequest, progress: ReconcileProgress
) -> None:
    shards = await stores.auth()
    rebuilder = CompanyMembersRebuilder(
        AccountRepository(shards), CompanyPlanRepository(shards), write=request.write
    )
    await rebuilder.rebuild(request.since, progress)


_REPLAYS: Final = {
    "search": _replay_search,
    "applicants": _replay_applicants,
    "figures": _replay_figures,
    "members": _replay_members,
}
REPLAY_KINDS: Final = tuple(_REPLAYS)
