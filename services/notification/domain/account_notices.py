"""The notices to the owner of an account: codes, changes of the account, its data and its deletion."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from services.notification.domain.contents import (
    AccountDeletionAsked,
    AccountDeletionStopped,
    AddressWanted,
    DataExportReady,
    EmailChangeAsked,
    EmailChangeCode,
    EmailChangedFrom,
    EmailChangedTo,
    IdentityLinked,
    IdentityUnlinked,
    PasswordReplaced,
    PasswordResetCode,
    RegistrationRepeated,
    SecondFactorChanged,
    SessionCompromised,
    VerificationCode,
)
from services.notification.domain.notices import Notice, Notices, ToAddress, ToUser

_SECOND_FACTOR_TEXTS: Final[Mapping[str, str]] = {
    "AUTHENTICATOR_ADDED": "An authenticator app was turned on.",
    "AUTHENTICATOR_REMOVED": "The authenticator app was turned off.",
    "RECOVERY_CODE_USED": "A recovery code was used to sign in.",
    "RECOVERY_CODES_RENEWED": "New recovery codes were made.",
    "PASSKEY_ADDED": "A passkey was added.",
    "PASSKEY_REMOVED": "A passkey was removed.",
    "PASSKEY_REFUSED": "A passkey may have been copied and does not sign in any more. Remove it.",
}


@dataclass(frozen=True, kw_only=True)
class EmailChangeRequest:
    """A wish for another address `email`; without `code` it belongs to the account `owner_id`."""

    user_id: str
    email: str
    code: str
    expire_time: datetime
    present_email: str
    owner_id: str = ""


def verification_notices(
    user_id: str, email: str, code: str, expire_time: datetime, locale: str = ""
) -> Notices:
    """Return the mail with the code, to the address that it verifies, in the language of the registration.

    Without a code there is none.
    """
    if not code:
        return ()
    content = VerificationCode(code=code, expire_time=expire_time)
    return (Notice(ToAddress(user_id, email, locale), content),)


def repeated_registration_notices(user_id: str, email: str) -> Notices:
    """Return the notice of a repeated registration to the account's owner; the visitor gets none."""
    return (Notice(ToAddress(user_id, email), RegistrationRepeated()),)


def compromised_session_notices(user_id: str, device: str, area: str, start_time: datetime) -> Notices:
    """Return the warning to the owner of the session."""
    content = SessionCompromised(device=device, area=area, start_time=start_time)
    return (Notice(ToUser(user_id), content),)


def password_reset_notices(user_id: str, email: str, code: str, expire_time: datetime) -> Notices:
    """Return the mail with the code for another password; none where there is no account."""
    if not code:
        return ()
    return (Notice(ToAddress(user_id, email), PasswordResetCode(code=code, expire_time=expire_time)),)


def replaced_password_notices(user_id: str, email: str) -> Notices:
    """Return the notice of another password to the account's owner."""
    return (Notice(ToAddress(user_id, email), PasswordReplaced()),)


def email_change_notices(request: EmailChangeRequest) -> Notices:
    """Return the code to the address to be, or the notice to its owner, and the notice to the present one."""
    asked = Notice(ToAddress(request.user_id, request.present_email), EmailChangeAsked(email=request.email))
    if request.code:
        content = EmailChangeCode(code=request.code, expire_time=request.expire_time)
        return (asked, Notice(ToAddress(request.user_id, request.email), content))
    return (asked, Notice(ToAddress(request.owner_id, request.email), AddressWanted()))


def second_factor_notices(user_id: str, email: str, change: str) -> Notices:
    """Return the notice of a change by its contract name, without prefix, to the account's owner."""
    return (Notice(ToAddress(user_id, email), SecondFactorChanged(change=_SECOND_FACTOR_TEXTS[change])),)


def identity_notices(user_id: str, email: str, provider_name: str, *, is_linked: bool) -> Notices:
    """Return the notice of an identity that was linked or unlinked to the account's owner."""
    kind = IdentityLinked if is_linked else IdentityUnlinked
    return (Notice(ToAddress(user_id, email), kind(provider_name=provider_name)),)


def changed_email_notices(user_id: str, former_email: str, email: str) -> Notices:
    """Return the notices of a change to both addresses."""
    return (
        Notice(ToAddress(user_id, former_email), EmailChangedFrom(email=email)),
        Notice(ToAddress(user_id, email), EmailChangedTo()),
    )


def ready_export_notices(user_id: str, expire_time: datetime) -> Notices:
    """Return the notice to a person that the copy of their data can be downloaded until then."""
    return (Notice(ToUser(user_id), DataExportReady(expire_time=expire_time)),)


def deletion_request_notices(user_id: str, email: str, erase_time: datetime) -> Notices:
    """Return the notice to the account's owner that it is deleted then, unless they cancel."""
    return (Notice(ToAddress(user_id, email), AccountDeletionAsked(erase_time=erase_time)),)


def cancelled_deletion_notices(user_id: str, email: str) -> Notices:
    """Return the notice to the account's owner that the account stays."""
    return (Notice(ToAddress(user_id, email), AccountDeletionStopped()),)
