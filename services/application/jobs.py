"""The scheduled jobs of the application service."""

from chassis.roles.periodic_tasks import PeriodicTask
from services.application.service.end_with_listing import EndWithListing
from services.application.service.settle_due import SettleDueApplications


def jobs(
    settling: SettleDueApplications, endings: EndWithListing, interval_s: float
) -> tuple[PeriodicTask, ...]:
    """Return the periodic tasks; both run every `interval_s` seconds."""
    return (
        PeriodicTask("application-upkeep", interval_s, settling.settle_due),
        PeriodicTask("application-endings", interval_s, endings.resume_endings),
    )
