"""The scheduled jobs of the auth service."""

from typing import Final

from chassis.roles.periodic_tasks import PeriodicTask
from services.auth.keyring import KeyRing
from services.auth.service.delete_accounts import DeleteAccounts
from services.auth.service.renew_seals import RenewSeals

KEY_ROTATION_INTERVAL_S: Final = 600
SEAL_RENEWAL_INTERVAL_S: Final = 60
DELETION_INTERVAL_S: Final = 10


def jobs(keys: KeyRing, seals: RenewSeals, deletions: DeleteAccounts) -> tuple[PeriodicTask, ...]:
    """Return the periodic tasks."""
    return (
        PeriodicTask("rotate-signing-keys", KEY_ROTATION_INTERVAL_S, keys.rotate_keys),
        PeriodicTask("renew-seals", SEAL_RENEWAL_INTERVAL_S, seals.renew),
        PeriodicTask("settle-account-deletions", DELETION_INTERVAL_S, deletions.settle_due),
    )
