"""The scheduled jobs of the application service."""

from typing import Final

from chassis.erasures import ErasePeople
from chassis.roles.periodic_tasks import PeriodicTask
from services.application.service.use_cases import ApplicationUseCases

HOLDS_INTERVAL_S: Final = 300.0
RETENTION_INTERVAL_S: Final = 600.0


def jobs(cases: ApplicationUseCases, erasures: ErasePeople, interval_s: float) -> tuple[PeriodicTask, ...]:
    """Return the periodic tasks; those of applications' states run every `interval_s` seconds."""
    return (
        PeriodicTask("application-upkeep", interval_s, cases.settling.settle_due),
        PeriodicTask("application-endings", interval_s, cases.ending.resume_endings),
        PeriodicTask("application-documents", HOLDS_INTERVAL_S, cases.holds.settle_open_holds),
        PeriodicTask("application-retention", RETENTION_INTERVAL_S, cases.ending_retention.end_due),
        erasures.periodic_task(),
    )
