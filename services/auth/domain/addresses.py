"""E-mail addresses of accounts: one key for one mailbox."""

from chassis.errors import Violation, invalid
from chassis.text import AddressError, EmailAddress, parse_address


def read_address(text: str) -> EmailAddress:
    """The address of somebody who registers or signs in. Raises INVALID_FIELD on `email` if it is none."""
    try:
        return parse_address(text)
    except AddressError as problem:
        raise _refused(f"is not an address that mail can be sent to: {problem}") from problem


def normalise(text: str) -> str:
    """The key of an address. Raises INVALID_FIELD on `email` if it is none."""
    return read_address(text).key


def check_reachable(address: EmailAddress, *, by_smtputf8: bool) -> None:
    """Raises INVALID_FIELD on `email` for an address that needs SMTPUTF8, where our mail server lacks it."""
    if address.needs_smtputf8 and not by_smtputf8:
        raise _refused(
            "cannot be reached by our mail server, which knows only ASCII letters before the @;"
            " give an address without other letters there"
        )


def _refused(message: str) -> Exception:
    return invalid(Violation("email", message))
