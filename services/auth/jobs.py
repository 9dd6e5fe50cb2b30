"""The scheduled jobs of the auth service."""

from typing import Final

from chassis.roles.periodic_tasks import PeriodicTask
from services.auth.keyring import KeyRing

KEY_ROTATION_INTERVAL_S: Final = 600


def jobs(keys: KeyRing) -> tuple[PeriodicTask, ...]:
    """Return the periodic tasks."""
    return (PeriodicTask("rotate-signing-keys", KEY_ROTATION_INTERVAL_S, keys.rotate_keys),)
