"""The events of accounts and sessions."""

from dataclasses import dataclass
from datetime import datetime

from services.auth.domain.accounts import Account, PendingRegistration


@dataclass(frozen=True, slots=True)
class UserWasRegistered:
    """An account was opened, or its holder has changed."""

    account: Account


@dataclass(frozen=True, slots=True)
class UserWasVerified:
    """The account's address is verified."""

    user_id: str


@dataclass(frozen=True, slots=True)
class VerificationWasRequested:
    """A code has to be sent to an address."""

    user_id: str
    email: str
    name: str
    code: str
    expire_time: datetime
    locale: str = ""


@dataclass(frozen=True, slots=True)
class RegistrationWasRepeated:
    """A verified address was registered again; its owner has to be informed."""

    account: Account


@dataclass(frozen=True, slots=True)
class SessionWasCompromised:
    """A refresh token was used twice, so its session has ended."""

    user_id: str
    session_id: str


AuthEvent = (
    UserWasRegistered
    | UserWasVerified
    | VerificationWasRequested
    | RegistrationWasRepeated
    | SessionWasCompromised
)


def registered_events(before: Account | None, after: Account) -> tuple[AuthEvent, ...]:
    """Return the registration event for other services; none when the holder is the same as before."""
    if before is not None and (before.holder, before.email, before.locale) == (
        after.holder,
        after.email,
        after.locale,
    ):
        return ()
    return (UserWasRegistered(after),)


def verification_requested(
    account: Account, code: str, registration: PendingRegistration
) -> VerificationWasRequested:
    """Return the event that this registration's code has to be sent."""
    return VerificationWasRequested(
        user_id=account.id,
        email=account.email,
        name=registration.holder.name,
        code=code,
        expire_time=registration.expire_time,
        locale=registration.locale,
    )
