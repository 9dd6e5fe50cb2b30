"""Contents about the safety of accounts."""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from services.notification.domain.contents.content import NotificationCategory, NotificationContent


@dataclass(frozen=True, kw_only=True)
class _SecurityContent(NotificationContent):
    category: ClassVar[NotificationCategory] = NotificationCategory.SECURITY


@dataclass(frozen=True, kw_only=True)
class VerificationCode(_SecurityContent):
    """The code that verifies an address. It is never stored in the inbox."""

    template: ClassVar[str] = "verification_code"
    in_inbox: ClassVar[bool] = False
    named: ClassVar[bool] = False
    code: str
    expire_time: datetime

    @property
    def path(self) -> str:
        """The page where the code is typed."""
        return "/app/verify-email"


@dataclass(frozen=True, kw_only=True)
class RegistrationRepeated(_SecurityContent):
    """Somebody tried to register with this address."""

    template: ClassVar[str] = "registration_repeated"
    named: ClassVar[bool] = False

    @property
    def path(self) -> str:
        """The page for signing in."""
        return "/app/login"


@dataclass(frozen=True, kw_only=True)
class AddressWanted(_SecurityContent):
    """Somebody tried to give this address to another account."""

    template: ClassVar[str] = "address_wanted"
    named: ClassVar[bool] = False


@dataclass(frozen=True, kw_only=True)
class SessionCompromisedV1(_SecurityContent):
    """A session was ended because its token was used twice; without its device and times."""

    template: ClassVar[str] = "session_compromised"


@dataclass(frozen=True, kw_only=True)
class SessionCompromised(_SecurityContent):
    """A session was ended because its token was used twice.

    `device` is the user agent that signed in, `area` the network from which it was used last; they may be
    empty.
    """

    template: ClassVar[str] = "session_compromised"
    version: ClassVar[int] = 2
    device: str = ""
    area: str = ""
    start_time: datetime

    @property
    def path(self) -> str:
        """The page with all sessions."""
        return "/app/sessions"


@dataclass(frozen=True, kw_only=True)
class _PasswordContent(_SecurityContent):
    @property
    def path(self) -> str:
        """The page where another password is chosen."""
        return "/app/reset-password"


@dataclass(frozen=True, kw_only=True)
class PasswordResetCode(_PasswordContent):
    """The code that replaces a forgotten password. It is never stored in the inbox."""

    template: ClassVar[str] = "password_reset_code"
    in_inbox: ClassVar[bool] = False
    code: str
    expire_time: datetime


@dataclass(frozen=True, kw_only=True)
class PasswordReplaced(_PasswordContent):
    """The account has another password."""

    template: ClassVar[str] = "password_replaced"


@dataclass(frozen=True, kw_only=True)
class EmailChangeCode(_SecurityContent):
    """The code that gives the account this address. It is never stored in the inbox."""

    template: ClassVar[str] = "email_change_code"
    in_inbox: ClassVar[bool] = False
    named: ClassVar[bool] = False
    code: str
    expire_time: datetime

    @property
    def path(self) -> str:
        """The page where the code is typed."""
        return "/app/change-email"


@dataclass(frozen=True, kw_only=True)
class EmailChangeAsked(_PasswordContent):
    """The account is to get the address `email`; addressed to the present one."""

    template: ClassVar[str] = "email_change_asked"
    email: str


@dataclass(frozen=True, kw_only=True)
class SecondFactorChanged(_PasswordContent):
    """A second factor was turned on or off, or a recovery code used; `change` says which, in English."""

    template: ClassVar[str] = "second_factor_changed"
    change: str


@dataclass(frozen=True, kw_only=True)
class EmailChangedFrom(_SecurityContent):
    """The account has the address `email` from now on; addressed to the former one."""

    template: ClassVar[str] = "email_changed_from"
    in_inbox: ClassVar[bool] = False
    email: str


@dataclass(frozen=True, kw_only=True)
class EmailChangedTo(_SecurityContent):
    """The account has this address from now on."""

    template: ClassVar[str] = "email_changed_to"


@dataclass(frozen=True, kw_only=True)
class DataExportReady(_SecurityContent):
    """The copy of their own data that the person asked for can be downloaded."""

    template: ClassVar[str] = "data_export_ready"
    expire_time: datetime


@dataclass(frozen=True, kw_only=True)
class AccountDeletionAsked(_SecurityContent):
    """The account is to be deleted at `erase_time`, unless its owner cancels that before."""

    template: ClassVar[str] = "account_deletion_asked"
    erase_time: datetime

    @property
    def path(self) -> str:
        """The page on which the deletion is cancelled."""
        return "/app/account-deletion"


@dataclass(frozen=True, kw_only=True)
class AccountDeletionStopped(_PasswordContent):
    """The account that was to be deleted stays."""

    template: ClassVar[str] = "account_deletion_stopped"


@dataclass(frozen=True, kw_only=True)
class IdentityLinked(_PasswordContent):
    """An identity at another provider signs in to the account from now on."""

    template: ClassVar[str] = "identity_linked"
    provider_name: str


@dataclass(frozen=True, kw_only=True)
class IdentityUnlinked(_PasswordContent):
    """An identity at another provider does not sign in to the account any more."""

    template: ClassVar[str] = "identity_unlinked"
    provider_name: str
