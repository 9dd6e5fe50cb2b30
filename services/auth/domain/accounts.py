"""Accounts: their holders, verification of addresses, and permission to sign in."""

import hashlib
import hmac
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from chassis.errors import domain_error

CODE_DIGITS: Final = 8
CODE_LIFE: Final = timedelta(minutes=15)
MAX_GUESSES_PER_CODE: Final = 50
"""By all clients together; the gateway lets each of them make five in a quarter of an hour."""
MAX_GUESSES_OF_REGISTRANT: Final = 10
"""By the client from which the registration came, however many others have made."""
MAX_LIVE_REGISTRATIONS: Final = 12
MAX_LIVE_REGISTRATIONS_PER_CLIENT: Final = 3
"""Registrations of one unverified address that wait for their code at once. Beyond these the oldest one of
the network with the most is dropped."""


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
    """The holder of an account, as named at registration."""

    name: str
    kind: AccountKind
    role: CompanyRole | None = None
    company_id: str = ""
    company_name: str = ""


@dataclass(frozen=True, slots=True)
class RegistrationClient:
    """Where a registration or a guess comes from, and the network around it, as digests; empty: not known."""

    client: bytes = b""
    network: bytes = b""


@dataclass(frozen=True, slots=True)
class CodeGuesses:
    """How many codes were tried for an address lately: by everybody, and by one client."""

    total: int
    by_client: int = 0


@dataclass(frozen=True, slots=True)
class PendingRegistration:
    """One registration of an address that is not verified yet: its own holder, password and code.

    A code verifies only the registration that it was sent for. So a person who registers another's address,
    before or after its owner does, does not get their password behind the owner's code. `guesses_before` and
    `own_guesses_before` are the address's numbers of guesses when the code was sent, by all clients and by
    this one; `email` is the address as it was typed, `locale` the person's language, "" if not known.
    """

    holder: AccountHolder
    password_hash: str
    code_digest: bytes
    guesses_before: int
    expire_time: datetime
    email: str = ""
    came_from: RegistrationClient = RegistrationClient()
    own_guesses_before: int = 0
    locale: str = ""

    def is_live(self, guesses: CodeGuesses, guesser: RegistrationClient, now: datetime) -> bool:
        """Return whether the code can still be used after `guesses` for the address, this one included.

        Where it was asked for it can be, whatever others have tried.
        """
        is_own = bool(guesser.client) and guesser.client == self.came_from.client
        own = guesses.by_client - self.own_guesses_before
        return now < self.expire_time and (
            0 < guesses.total - self.guesses_before <= MAX_GUESSES_PER_CODE
            or (is_own and 0 < own <= MAX_GUESSES_OF_REGISTRANT)
        )


@dataclass(frozen=True, slots=True)
class Account:
    """An account. `credential` counts its passwords: a session is valid for the one it began with."""

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
    locale: str = ""

    @property
    def is_proven(self) -> bool:
        return self.state is not AccountState.PENDING_VERIFICATION

    @property
    def email_verified(self) -> bool:
        return self.verify_time is not None

    def with_registration(self, registration: PendingRegistration, now: datetime) -> "Account":
        """Return the unverified account with one more pending registration, which has its own password."""
        live = [earlier for earlier in self.registrations if now < earlier.expire_time]
        return replace(
            self,
            email=registration.email or self.email,
            holder=registration.holder,
            password_hash=registration.password_hash,
            credential=self.credential + 1,
            registrations=_without_surplus([*live, registration]),
            update_time=now,
            version=self.version + 1,
            locale=registration.locale,
        )

    def find_registration(
        self, code_digest: bytes, guesses: CodeGuesses, guesser: RegistrationClient, now: datetime
    ) -> PendingRegistration | None:
        """Return the pending registration of a code; compare with each of them in constant time."""
        found = None
        for registration in self.registrations:
            matches = hmac.compare_digest(registration.code_digest, code_digest)
            if matches and registration.is_live(guesses, guesser, now):
                found = registration
        return found

    def verified_by(self, registration: PendingRegistration, now: datetime) -> "Account":
        """Return the account verified by a registration's code, with the holder and password of that."""
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
            locale=registration.locale,
        )

    def with_renewed_hash(self, outdated: str, renewed: str) -> "Account | None":
        """Return the account with another hash of the same password; None when that has been replaced."""
        if self.password_hash != outdated:
            return None
        return replace(self, password_hash=renewed, version=self.version + 1)

    def check_may_sign_in(self) -> None:
        """Raise ACCOUNT_LOCKED for a locked account, INVALID_CREDENTIALS for a deleted one."""
        if self.state is AccountState.DELETED:
            raise invalid_credentials()
        if self.state not in _SIGN_IN_STATES:
            raise domain_error(
                "ACCOUNT_LOCKED", "The account is locked; write to support to have it looked at."
            )


def open_account(user_id: str, email: str, registration: PendingRegistration, now: datetime) -> Account:
    """Return a new account whose address is not verified yet."""
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
        locale=registration.locale,
    )


def _without_surplus(registrations: Sequence[PendingRegistration]) -> tuple[PendingRegistration, ...]:
    """Return those that wait on: one network's many do not push out another's one."""
    newest = registrations[-1].came_from.client
    of_client = [each for each in registrations if each.came_from.client == newest]
    surplus = of_client[:-MAX_LIVE_REGISTRATIONS_PER_CLIENT]
    kept = [each for each in registrations if each not in surplus]
    while len(kept) > MAX_LIVE_REGISTRATIONS:
        counts = Counter(each.came_from.network for each in kept)
        kept.remove(next(each for each in kept if counts[each.came_from.network] == max(counts.values())))
    return tuple(kept)


def digest_code(key: bytes, user_id: str, code: str) -> bytes:
    """Return the stored form of a code: keyed, since eight digits alone can be found in seconds."""
    return hmac.digest(key, f"{user_id}:{code}".encode(), hashlib.sha256)


def digest_client(key: bytes, user_id: str, networks: Sequence[str]) -> RegistrationClient:
    """Return the stored form of a client and the networks around it: keyed, since there are few addresses."""
    if not networks:
        return RegistrationClient()
    client, network = (
        hmac.digest(key, f"{user_id}:{each}".encode(), hashlib.sha256) for each in (networks[0], networks[-1])
    )
    return RegistrationClient(client, network)


def invalid_credentials() -> Exception:
    return domain_error("INVALID_CREDENTIALS", "The e-mail address or the password is wrong.")


def invalid_code() -> Exception:
    return domain_error("INVALID_VERIFICATION_CODE", "The code is wrong, was used, or has expired.")
