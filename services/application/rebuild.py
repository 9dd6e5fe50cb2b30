"""Rebuilds the lists of applicants from the applications while they are in use."""

from datetime import datetime

from chassis.sharding.reconciler import ReconcileProgress
from services.application.domain.applicants import ApplicantRow, applicant_row
from services.application.repository import ApplicantRepository, ApplicationRepository


class ApplicantListRebuilder:
    """Reconciles the lists of applicants with the applications."""

    def __init__(
        self, applications: ApplicationRepository, applicants: ApplicantRepository, *, write: bool = True
    ) -> None:
        self._applications = applications
        self._applicants = applicants
        self._reconciler = applicants.reconciler(self._row_now, write=write)

    async def rebuild(self, since: datetime | None, progress: ReconcileProgress) -> None:
        """Repair rows of applications changed since then, or of all; delete those without an application."""
        async for page in self._applications.iterate_without_profiles():
            changed = [each for each in page if since is None or each.update_time >= since]
            documents = [self._applicants.row_document(applicant_row(each)) for each in changed]
            repaired = await self._reconciler.reconcile(documents)
            progress("applications", len(changed), len(repaired))
        if since is None:
            await self._remove_orphans(progress)

    async def _remove_orphans(self, progress: ReconcileProgress) -> None:
        async for page in self._applicants.iterate_keys():
            known = await self._applications.existing_ids([each["_id"] for each in page])
            orphans = [each for each in page if each["_id"] not in known]
            await self._reconciler.delete_orphaned(orphans)
            progress("rows of applicants", len(page), len(orphans))

    async def _row_now(self, application_id: str) -> ApplicantRow | None:
        application = await self._applications.get(application_id)
        return None if application is None else applicant_row(application)
