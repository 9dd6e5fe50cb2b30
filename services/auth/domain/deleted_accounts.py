"""What the deletion of an account does to the account itself: pure."""

from dataclasses import replace
from datetime import datetime, timedelta

from services.auth.domain.accounts import Account, AccountState, staff_account
from services.auth.domain.deletions import AccountDeletion, new_deletion, no_deletion


def with_deletion(account: Account, now: datetime, grace: timedelta) -> Account:
    """Return the account that is to be deleted; the same one if it is already. Raises STAFF_ACCOUNT."""
    if account.is_staff:
        raise staff_account()
    if account.deletion is not None:
        return account
    return replace(
        account,
        state=AccountState.PENDING_DELETION,
        deletion=new_deletion(now, grace),
        update_time=now,
        version=account.version + 1,
    )


def without_deletion(account: Account, now: datetime) -> Account:
    """Return the account that stays. Raises NO_ACCOUNT_DELETION unless its deletion is pending."""
    if account.deletion is None or not account.deletion.is_pending:
        raise no_deletion(account.id)
    is_usable = account.state is AccountState.PENDING_DELETION
    return replace(
        account,
        state=AccountState.ACTIVE if is_usable else account.state,
        deletion=None,
        update_time=now,
        version=account.version + 1,
    )


def with_erasure(account: Account, now: datetime) -> Account:
    """Return the account whose erasure begins, or is requested again: nobody can sign in any more.

    The same account when there is nothing to request now.
    """
    deletion = account.deletion
    if deletion is None or deletion.due_time > now or not deletion.missing:
        return account
    if not deletion.is_pending:
        return _with(account, deletion.repeated(now))
    return replace(
        _with(account, deletion.begun(now)),
        state=AccountState.DELETED,
        credential=account.credential + 1,
        update_time=now,
    )


def with_acknowledgement(account: Account, service: str, now: datetime) -> Account:
    """Return the account whose person a service has erased; the same one when that is known."""
    if account.deletion is None:
        return account
    acknowledged = account.deletion.acknowledged_by(service, now)
    return account if acknowledged is account.deletion else _with(account, acknowledged)


def _with(account: Account, deletion: AccountDeletion) -> Account:
    return replace(account, deletion=deletion, version=account.version + 1)
