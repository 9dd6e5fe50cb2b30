"""Staff accounts, and what staff does to other people's accounts."""

from dataclasses import replace
from datetime import datetime
from typing import Final

from chassis.errors import Violation, invalid_argument, not_found
from services.auth.domain.accounts import (
    Account,
    AccountHolder,
    AccountKind,
    AccountPlan,
    AccountState,
    staff_account,
)
from services.auth.domain.codes import SentCode

STAFF_PLANS: Final = {AccountKind.MODERATOR: AccountPlan.PRO, AccountKind.ADMIN: AccountPlan.ADMIN}
REVOKED_REASON: Final = "The account is no longer staff."


def open_staff_account(
    user_id: str, holder: AccountHolder, password_hash: str, sent: SentCode, now: datetime
) -> Account:
    """Return an account of staff whose password is chosen with the code that was sent.

    Its operator vouches for the address.
    """
    return Account(
        id=user_id,
        email=sent.email,
        state=AccountState.ACTIVE,
        plan=STAFF_PLANS[holder.kind],
        holder=holder,
        password_hash=password_hash,
        credential=1,
        registrations=(),
        create_time=now,
        update_time=now,
        verify_time=now,
        reset=sent,
    )


def as_staff_account(
    account: Account, holder: AccountHolder, password_hash: str, sent: SentCode, now: datetime
) -> Account:
    """Return an account that nobody has proven, or that was staff before, as one of staff.

    Raises INVALID_FIELD on `email` for an account that is in use: a person's own account never becomes staff.
    """
    was_staff = account.is_staff and not account.can_sign_in
    if account.is_proven and not was_staff:
        raise invalid_argument(Violation("email", "has an account already; staff accounts have their own"))
    opened = open_staff_account(account.id, holder, password_hash, sent, now)
    return replace(
        opened,
        credential=account.credential + 1,
        create_time=account.create_time,
        version=account.version + 1,
    )


def without_staff_rights(account: Account, password_hash: str, now: datetime) -> Account:
    """Return a staff account that cannot be used; its password and factors are gone.

    Raises INVALID_FIELD on `email` for an account that is not staff.
    """
    if not account.is_staff:
        raise invalid_argument(Violation("email", "is not the address of a staff account"))
    return replace(
        account,
        state=AccountState.SUSPENDED,
        state_reason=REVOKED_REASON,
        plan=AccountPlan.FREE,
        password_hash=password_hash,
        credential=account.credential + 1,
        reset=None,
        address_change=None,
        authenticator=None,
        recovery_codes=(),
        update_time=now,
        version=account.version + 1,
    )


def suspended_account(account: Account, reason: str, now: datetime) -> Account:
    """Return the account suspended, without sessions; the same one if it is. Raises STAFF_ACCOUNT.

    One that is to be deleted is erased all the same, when its time of grace is over.
    """
    _refuse_others(account)
    if account.state is AccountState.SUSPENDED:
        return account
    return replace(
        account,
        state=AccountState.SUSPENDED,
        state_reason=reason,
        credential=account.credential + 1,
        registrations=(),
        update_time=now,
        version=account.version + 1,
    )


def restored_account(account: Account, reason: str, now: datetime) -> Account:
    """Return a suspended account that can be used again; another one as it is. Raises STAFF_ACCOUNT."""
    _refuse_others(account)
    if account.state is not AccountState.SUSPENDED:
        return account
    return replace(
        account,
        state=_usable_state(account),
        state_reason=reason,
        update_time=now,
        version=account.version + 1,
    )


def _usable_state(account: Account) -> AccountState:
    if account.deletion is not None:
        return AccountState.PENDING_DELETION
    return AccountState.ACTIVE if account.email_verified else AccountState.PENDING_VERIFICATION


def _refuse_others(account: Account) -> None:
    if account.state is AccountState.DELETED:
        raise not_found("USER_NOT_FOUND", "account", account.id)
    if account.is_staff:
        raise staff_account()
