"""Linking of accounts with identities at other providers."""

from dataclasses import replace

from chassis.errors import domain_error, not_found, permission_denied
from services.auth.domain.accounts import Account
from services.auth.domain.identities import LinkedIdentity


def has_identity(account: Account | None, key: str) -> bool:
    """Return whether an identity, by its name in the directory, signs in to an account."""
    return account is not None and any(each.key == key for each in account.identities)


def check_may_link(account: Account) -> None:
    """Raise PERMISSION_DENIED for staff: no other provider opens its accounts."""
    if account.is_staff:
        raise permission_denied("Staff signs in with a password and a second factor.")


def with_identity(account: Account, identity: LinkedIdentity) -> Account:
    """Return the account to which an identity signs in; the same account if it does already.

    Raises IDENTITY_CONFLICT where another identity of the same issuer does: an address that a provider has
    given to somebody else must not open the account of its former owner. PERMISSION_DENIED for staff.
    """
    check_may_link(account)
    if has_identity(account, identity.key):
        return account
    if any(each.issuer == identity.issuer for each in account.identities):
        raise domain_error("IDENTITY_CONFLICT", "Another identity of this provider signs in to the account.")
    return replace(account, identities=(identity, *account.identities), version=account.version + 1)


def find_identity(account: Account | None, identity_id: str) -> LinkedIdentity:
    """Return an identity of an account by its ID. Raises IDENTITY_NOT_FOUND."""
    identities = account.identities if account else ()
    found = next((each for each in identities if each.id == identity_id), None)
    if found is None:
        raise not_found("IDENTITY_NOT_FOUND", "identity", identity_id)
    return found


def without_identity(account: Account, identity_id: str) -> Account:
    """Return the account to which an identity does not sign in any more. Raises IDENTITY_NOT_FOUND."""
    unlinked = find_identity(account, identity_id)
    kept = tuple(each for each in account.identities if each is not unlinked)
    return replace(account, identities=kept, version=account.version + 1)
