"""What the analytics service runs on a schedule: nothing."""

from chassis.roles.periodic_tasks import PeriodicTask


def jobs() -> tuple[PeriodicTask, ...]:
    """Return the periodic tasks."""
    return ()
