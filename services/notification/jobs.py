"""The scheduled jobs of the notification service: none."""

from chassis.roles.periodic_tasks import PeriodicTask


def jobs() -> tuple[PeriodicTask, ...]:
    """Return the jobs of the `work` role."""
    return ()
