"""The events of accounts and sessions."""

from dataclasses import dataclass
from datetime import datetime

from services.auth.domain.accounts import Account, PendingRegistration
from services.auth.domain.api_keys import ApiKeyChangeKind
from services.auth.domain.second_factors import SecondFactorChangeKind


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
    device: str
    area: str
    start_time: datetime


@dataclass(frozen=True, slots=True)
class PasswordResetWasRequested:
    """A code for a new password has to be sent; without `code` nothing, as nobody has the address."""

    user_id: str
    email: str = ""
    code: str = ""
    expire_time: datetime | None = None


@dataclass(frozen=True, slots=True)
class PasswordWasReplaced:
    """The account has another password."""

    user_id: str
    email: str


@dataclass(frozen=True, slots=True)
class EmailChangeWasRequested:
    """A code has to be sent to the address `email`, which a person wants to have.

    Where it is that of another account, `owner_id`, there is no code: the owner is informed.
    """

    user_id: str
    email: str
    code: str
    expire_time: datetime
    present_email: str
    owner_id: str = ""


@dataclass(frozen=True, slots=True)
class SecondFactorWasChanged:
    """A second factor of the account was turned on or off, or a recovery code used."""

    user_id: str
    email: str
    change: SecondFactorChangeKind


@dataclass(frozen=True, slots=True)
class EmailWasChanged:
    """The account has another address."""

    user_id: str
    former_email: str
    email: str
    account_version: int


@dataclass(frozen=True, slots=True)
class ApiKeyWasChanged:
    """An API key of a company was made or revoked by a member; its owners have to be informed."""

    company_id: str
    company_name: str
    key_id: str
    key_name: str
    change: ApiKeyChangeKind
    actor_id: str
    owner_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class IdentityWasChanged:
    """An identity at another provider signs in to the account from now on, or does not any more."""

    user_id: str
    email: str
    provider_name: str
    is_linked: bool


@dataclass(frozen=True, slots=True)
class DeletionWasRequested:
    """The owner asked for the deletion of the account; it can be cancelled until `erase_time`."""

    user_id: str
    email: str
    erase_time: datetime


@dataclass(frozen=True, slots=True)
class DeletionWasCancelled:
    """The account stays."""

    user_id: str
    email: str


@dataclass(frozen=True, slots=True)
class ErasureWasRequested:
    """All that is stored of a person has to be erased."""

    user_id: str


AuthEvent = (
    UserWasRegistered
    | UserWasVerified
    | VerificationWasRequested
    | RegistrationWasRepeated
    | SessionWasCompromised
    | PasswordResetWasRequested
    | PasswordWasReplaced
    | EmailChangeWasRequested
    | EmailWasChanged
    | SecondFactorWasChanged
    | ApiKeyWasChanged
    | IdentityWasChanged
    | DeletionWasRequested
    | DeletionWasCancelled
    | ErasureWasRequested
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


def no_verification_requested(user_id: str, now: datetime) -> VerificationWasRequested:
    """Return the event of a request for which nothing has to be sent: it takes as long as another one."""
    return VerificationWasRequested(user_id=user_id, email="", name="", code="", expire_time=now)


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
