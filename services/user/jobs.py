"""The scheduled jobs of the user service."""

from typing import Final

from chassis.roles.periodic_tasks import PeriodicTask
from services.user.repository import ProfileRepository

UPGRADE_INTERVAL_S: Final = 15.0
"""The interval at which entries of an older version of the service are replaced."""


def jobs(profiles: ProfileRepository) -> tuple[PeriodicTask, ...]:
    """Return the jobs of the `work` role."""
    return (PeriodicTask("renew-student-search", UPGRADE_INTERVAL_S, profiles.upgrade_outdated_entries),)
