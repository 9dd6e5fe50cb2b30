"""The scheduled jobs of the user service."""

from typing import Final

from chassis.erasures import ErasePeople
from chassis.roles.periodic_tasks import PeriodicTask
from services.user.repository import ProfileRepository
from services.user.service.collect_data_exports import CollectDataExports
from services.user.service.scan_documents import ScanDocuments

UPGRADE_INTERVAL_S: Final = 15.0
"""The interval at which entries of an older version of the service are replaced."""
RESCAN_INTERVAL_S: Final = 60.0
EXPORT_INTERVAL_S: Final = 10.0
"""The interval at which requested and expired data exports are looked for."""


def jobs(
    profiles: ProfileRepository,
    scanning: ScanDocuments,
    exports: CollectDataExports,
    erasures: ErasePeople,
) -> tuple[PeriodicTask, ...]:
    """Return the jobs of the `work` role."""
    return (
        PeriodicTask("renew-student-search", UPGRADE_INTERVAL_S, profiles.upgrade_outdated_entries),
        PeriodicTask("scan-overdue-documents", RESCAN_INTERVAL_S, scanning.scan_overdue),
        PeriodicTask("settle-data-exports", EXPORT_INTERVAL_S, exports.settle_due),
        erasures.periodic_task(),
    )
