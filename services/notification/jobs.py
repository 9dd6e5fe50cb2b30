"""The scheduled jobs of the notification service."""

from typing import Final

from chassis.erasures import ErasePeople
from chassis.roles.periodic_tasks import PeriodicTask
from services.notification.service.mailer import Mailer

SEND_DUE_INTERVAL_S: Final = 2.0


def jobs(mailer: Mailer, erasures: ErasePeople) -> tuple[PeriodicTask, ...]:
    """Return the jobs of the `work` role."""
    return (
        PeriodicTask("send-due-mails", SEND_DUE_INTERVAL_S, mailer.send_due),
        erasures.periodic_task(),
    )
