"""Changes of an account's passkeys."""

from dataclasses import replace

from chassis.errors import domain_error, not_found
from services.auth.domain.accounts import Account
from services.auth.domain.passkeys import MAX_PASSKEYS, Passkey, find_by_credential, passkey_in_use


def check_may_add_passkey(account: Account) -> None:
    """Raise PASSKEY_LIMIT_REACHED for an account that has twenty."""
    if len(account.passkeys) >= MAX_PASSKEYS:
        raise domain_error("PASSKEY_LIMIT_REACHED", f"The account has {MAX_PASSKEYS} passkeys already.")


def with_passkey(account: Account, passkey: Passkey) -> Account:
    """Return the account with one more passkey. Raises PASSKEY_LIMIT_REACHED, PASSKEY_IN_USE."""
    if find_by_credential(account.passkeys, passkey.credential_id):
        raise passkey_in_use()
    check_may_add_passkey(account)
    return replace(account, passkeys=(passkey, *account.passkeys), version=account.version + 1)


def find_passkey(account: Account | None, passkey_id: str) -> Passkey:
    """Return a passkey of an account, if there is one, by its ID. Raises PASSKEY_NOT_FOUND."""
    passkeys = account.passkeys if account else ()
    found = next((each for each in passkeys if each.id == passkey_id), None)
    if found is None:
        raise not_found("PASSKEY_NOT_FOUND", "passkey", passkey_id)
    return found


def with_changed_passkey(account: Account, changed: Passkey) -> Account:
    """Return the account in which this passkey stands for the one with its ID. Raises PASSKEY_NOT_FOUND."""
    former = find_passkey(account, changed.id)
    kept = tuple(changed if each is former else each for each in account.passkeys)
    return replace(account, passkeys=kept, version=account.version + 1)


def without_passkey(account: Account, passkey_id: str) -> Account:
    """Return the account without a passkey.

    Raises PASSKEY_NOT_FOUND; NO_AUTHENTICATOR for the last factor of staff.
    """
    removed = find_passkey(account, passkey_id)
    kept = tuple(each for each in account.passkeys if each is not removed)
    has_other = account.needs_second_factor or any(not each.is_refused for each in kept)
    if account.is_staff and not has_other:
        raise domain_error(
            "NO_AUTHENTICATOR", "It is the last second factor of a staff account; add another one first."
        )
    return replace(account, passkeys=kept, version=account.version + 1)
