"""The view of applicants, rebuilt from the applications while it is read."""

from datetime import datetime

from chassis.sharding.reconciler import ReconcileProgress
from chassis.sharding.shard import Shard
from chassis.sharding.shards import Shards
from services.application.event_handlers import applicant_row_from_facts
from services.application.events.outgoing import application_facts
from services.application.repository import ApplicantRepository, ApplicantRow, ApplicationRepository


class ApplicantListRebuilder:
    """Brings the companies' lists of applicants into line with the applications."""

    def __init__(self, shards: Shards, *, write: bool = True) -> None:
        self._shards = shards
        self._applications = ApplicationRepository(shards)
        self._applicants = ApplicantRepository(shards)
        self._mending = self._applicants.mending(self._row_now, write=write)

    async def rebuild(self, since: datetime | None, progress: ReconcileProgress) -> None:
        """One shard after the other: applications changed `since` then, or all, and rows without one."""
        for shard in self._shards.all_shards():
            async for page in self._applications.pages(shard):
                changed = [each for each in page if since is None or each.update_time >= since]
                rows = [applicant_row_from_facts(application_facts(each)) for each in changed]
                mended = await self._mending.reconcile([self._applicants.wanted(row) for row in rows])
                progress("applications", len(changed), len(mended))
        for shard in self._shards.all_shards() if since is None else ():
            await self._remove_strays(shard, progress)

    async def _remove_strays(self, shard: Shard, progress: ReconcileProgress) -> None:
        async for page in self._applicants.places(shard):
            known = await self._applications.existing([each["_id"] for each in page])
            strays = [each for each in page if each["_id"] not in known]
            await self._mending.delete_orphaned(strays)
            progress("rows of applicants", len(page), len(strays))

    async def _row_now(self, application_id: str) -> ApplicantRow | None:
        application = await self._applications.get(application_id)
        return None if application is None else applicant_row_from_facts(application_facts(application))
