"""Accounts: who holds one, how an address is proven, who may sign in."""

import hashlib
import hmac
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from chassis.errors import domain_error

CODE_DIGITS: Final = 8
CODE_LIFE: Final = timedelta(minutes=15)
MAX_GUESSES_PER_CODE: Final = 25
"""By all clients together; the gateway lets each of them make five, so others leave the owner some."""
MAX_LIVE_REGISTRATIONS: Final = 3
"""How many registrations of one unproven address wait for their code at once; the oldest gives way."""


class AccountKind(StrEnum):
    STUDENT = "STUDENT"
    COMPANY = "COMPANY"
    MODERATOR = "MODERATOR"
    ADMIN = "ADMIN"


class CompanyRole(StrEnum):
    OWNER = "OWNER"
    RECRUITER = "RECRUITER"
    HIRING_MANAGER = "HIRING_MANAGER"
    VIEWER = "VIEWER"


class AccountPlan(StrEnum):
    FREE = "FREE"
    PREMIUM = "PREMIUM"
    PRO = "PRO"
    ADMIN = "ADMIN"


class AccountState(StrEnum):
    PENDING_VERIFICATION = "PENDING_VERIFICATION"
    ACTIVE = "ACTIVE"
    LOCKED = "LOCKED"
    SUSPENDED = "SUSPENDED"
    PENDING_DELETION = "PENDING_DELETION"
    DELETED = "DELETED"


_SIGN_IN_STATES: Final = frozenset({AccountState.PENDING_VERIFICATION, AccountState.ACTIVE})


@dataclass(frozen=True, slots=True)
class AccountHolder:
    """Whom an account belongs to, as they said at registration."""

    name: str
    kind: AccountKind
    role: CompanyRole | None = None
    company_id: str = ""
    company_name: str = ""


@dataclass(frozen=True, slots=True)
class PendingRegistration:
    """One attempt to register an address that is not proven yet: its own holder, password and code.

    A code proves only the registration that it was sent for. So a person who registers somebody
    else's address, before or after its owner does, does not get their password behind the owner's code.
    `guesses_before` is how many guesses the address had seen when the code was sent, `email` the address as
    it was typed.
    """

    holder: AccountHolder
    password_hash: str
    code_digest: bytes
    guesses_before: int
    expire_time: datetime
    email: str = ""

    def is_live(self, guesses: int, now: datetime) -> bool:
        """Return whether the code can still be used after `guesses` for the address, this one included."""
        return now < self.expire_time and 0 < guesses - self.guesses_before <= MAX_GUESSES_PER_CODE


@dataclass(frozen=True, slots=True)
class Account:
    """An account. `credential` counts its passwords: a session lives as long as the one it began with."""

    id: str
    email: str
    state: AccountState
    plan: AccountPlan
    holder: AccountHolder
    password_hash: str
    credential: int
    registrations: tuple[PendingRegistration, ...]
    create_time: datetime
    update_time: datetime
    verify_time: datetime | None = None
    version: int = 1

    @property
    def is_proven(self) -> bool:
        return self.state is not AccountState.PENDING_VERIFICATION

    @property
    def email_verified(self) -> bool:
        return self.verify_time is not None

    def with_registration(self, registration: PendingRegistration, now: datetime) -> "Account":
        """Return the unproven account after another registration of its address, with a password of its own."""
        kept = [earlier for earlier in self.registrations if now < earlier.expire_time]
        return replace(
            self,
            email=registration.email or self.email,
            holder=registration.holder,
            password_hash=registration.password_hash,
            credential=self.credential + 1,
            registrations=(*kept[1 - MAX_LIVE_REGISTRATIONS :], registration),
            update_time=now,
            version=self.version + 1,
        )

    def find_registration(
        self, code_digest: bytes, guesses: int, now: datetime
    ) -> PendingRegistration | None:
        """Return the live registration that a code belongs to; compares with each of them in constant time."""
        found = None
        for registration in self.registrations:
            matches = hmac.compare_digest(registration.code_digest, code_digest)
            if matches and registration.is_live(guesses, now):
                found = registration
        return found

    def verified_by(self, registration: PendingRegistration, now: datetime) -> "Account":
        """Return the account after this registration's code proved the address: its holder and password count."""
        same_password = self.password_hash == registration.password_hash
        return replace(
            self,
            state=AccountState.ACTIVE,
            email=registration.email or self.email,
            holder=registration.holder,
            password_hash=registration.password_hash,
            credential=self.credential if same_password else self.credential + 1,
            registrations=(),
            verify_time=now,
            update_time=now,
            version=self.version + 1,
        )

    def with_renewed_hash(self, outdated: str, renewed: str) -> "Account | None":
        """Return the account with another hash of the same password; None when that has been replaced."""
        if self.password_hash != outdated:
            return None
        return replace(self, password_hash=renewed, version=self.version + 1)

    def check_may_sign_in(self) -> None:
        """Raise ACCOUNT_LOCKED, or INVALID_CREDENTIALS for an account that is no more."""
        if self.state is AccountState.DELETED:
            raise invalid_credentials()
        if self.state not in _SIGN_IN_STATES:
            raise domain_error(
                "ACCOUNT_LOCKED", "The account is locked; write to support to have it looked at."
            )


def open_account(user_id: str, email: str, registration: PendingRegistration, now: datetime) -> Account:
    """Return a new account whose address is not proven yet."""
    return Account(
        id=user_id,
        email=email,
        state=AccountState.PENDING_VERIFICATION,
        plan=AccountPlan.FREE,
        holder=registration.holder,
        password_hash=registration.password_hash,
        credential=1,
        registrations=(registration,),
        create_time=now,
        update_time=now,
    )


def digest_code(key: bytes, user_id: str, code: str) -> bytes:
    """Return the stored form of a code: keyed, since eight digits alone can be tried out in seconds."""
    return hmac.digest(key, f"{user_id}:{code}".encode(), hashlib.sha256)


def invalid_credentials() -> Exception:
    return domain_error("INVALID_CREDENTIALS", "The e-mail address or the password is wrong.")


def invalid_code() -> Exception:
    return domain_error("INVALID_VERIFICATION_CODE", "The code is wrong, was used, or has expired.")
