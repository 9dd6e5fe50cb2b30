"""The scheduled jobs of the analytics service: none."""

from chassis.roles.periodic_tasks import PeriodicTask


def jobs() -> tuple[PeriodicTask, ...]:
    """Return the periodic tasks."""
    return ()
