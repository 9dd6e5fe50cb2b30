"""E-mail addresses as keys: one spelling for one mailbox."""

from email_validator import EmailNotValidError, validate_email

from chassis.errors import Violation, invalid


def normalise(address: str) -> str:
    """The one spelling of an address: NFC, its letters folded, an internationalised domain as Unicode.

    Raises INVALID_FIELD on `email` if it is no address that mail could be sent to. The reserved domain
    `.test` is admitted: nobody owns it, so that seeds and tests can use addresses without harm.
    """
    try:
        valid = validate_email(address, check_deliverability=False, test_environment=True)
    except EmailNotValidError as error:
        raise invalid(Violation("email", f"is not an address that mail can be sent to: {error}")) from error
    return f"{valid.local_part.casefold()}@{valid.domain}"
