"""E-mail addresses of accounts: one key for one mailbox."""

from chassis.errors import Violation, invalid_argument
from chassis.text import EmailAddress, EmailAddressError, parse_email_address


def read_address(text: str) -> EmailAddress:
    """Return the address that a visitor typed. Raises INVALID_FIELD on `email` if it is invalid."""
    try:
        return parse_email_address(text)
    except EmailAddressError as problem:
        raise _invalid_address(f"is not an address that mail can be sent to: {problem}") from problem


def normalise_address(text: str) -> str:
    """Return the key of an address. Raises INVALID_FIELD on `email` if it is invalid."""
    return read_address(text).key


def check_address_reachable(address: EmailAddress, *, by_smtputf8: bool) -> None:
    """Raise INVALID_FIELD on `email` for an address that needs SMTPUTF8 unless our mail server has it."""
    if address.needs_smtputf8 and not by_smtputf8:
        raise _invalid_address(
            "cannot be reached by our mail server, which knows only ASCII letters before the @;"
            " give an address without other letters there"
        )


def _invalid_address(message: str) -> Exception:
    return invalid_argument(Violation("email", message))
