"""Accounts: their holders, verification of addresses, and permission to sign in."""

import hmac
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Final

from chassis.errors import domain_error
from services.auth.domain.addresses import normalise_address
from services.auth.domain.codes import UNKNOWN_CLIENT, CodeGuesses, RegistrationClient, SentCode
from services.auth.domain.deletions import AccountDeletion
from services.auth.domain.identities import LinkedIdentity
from services.auth.domain.passkeys import Passkey
from services.auth.domain.second_factors import Authenticator

MAX_LIVE_REGISTRATIONS: Final = 12
MAX_LIVE_REGISTRATIONS_PER_CLIENT: Final = 3
"""Registrations of one unverified address that wait for their code at once. Beyond these the oldest one of
the network with the most is dropped."""


class AccountKind(StrEnum):
    STUDENT = "STUDENT"
    COMPANY = "COMPANY"
    MODERATOR = "MODERATOR"
    ADMIN = "ADMIN"


STAFF_KINDS: Final = frozenset({AccountKind.MODERATOR, AccountKind.ADMIN})


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


_SIGN_IN_STATES: Final = frozenset(
    {AccountState.PENDING_VERIFICATION, AccountState.ACTIVE, AccountState.PENDING_DELETION}
)


@dataclass(frozen=True, slots=True)
class AccountHolder:
    """The holder of an account, as named at registration."""

    name: str
    kind: AccountKind
    role: CompanyRole | None = None
    company_id: str = ""
    company_name: str = ""


@dataclass(frozen=True, slots=True)
class CompanyMembership:
    """A membership as the user service, which owns it, has published it; `role` is None after its end.

    Of two of one person the later one has the higher number, or the higher team version.
    """

    company_id: str
    company_name: str
    role: CompanyRole | None
    number: int
    team_version: int

    @property
    def has_ended(self) -> bool:
        return self.role is None


@dataclass(frozen=True, slots=True)
class CompanyPlan:
    """The plan that a company's members have; each change of it has the next `version`, from 1."""

    id: str
    plan: AccountPlan = AccountPlan.FREE
    version: int = 0


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
    came_from: RegistrationClient = UNKNOWN_CLIENT
    own_guesses_before: int = 0
    locale: str = ""

    def is_live(self, guesses: CodeGuesses, guesser: RegistrationClient, now: datetime) -> bool:
        """Return whether the code can still be used after `guesses` for the address, this one included.

        Where it was asked for it can be, whatever others have tried.
        """
        before = CodeGuesses(self.guesses_before, self.own_guesses_before)
        return now < self.expire_time and guesses.are_left(before, self.came_from, guesser)


@dataclass(frozen=True, slots=True)
class Account:
    """An account. `credential` counts its passwords, and the ends of memberships: a session is valid for the
    one it began with.

    The holder's company and role are a copy, for the claims of access tokens: the user service owns them.
    `membership_number` and `team_version` say of which of its events.

    `plan` is the account's own, `company_plan` a copy of that of a company, which counts for its members.

    `has_short_password`: the password is long enough only beside a second factor.

    `authenticator` is the app that is on or about to be, `recovery_codes` are codes in its place, encrypted;
    `recovery_series` counts how often new ones were made.
    `identities` are those at other providers that sign in to it, `passkeys` its own, both the newest first.
    `deletion` is that of the account, once its owner has asked for it.
    `reset` is the code by which a forgotten password can be replaced, `address_change` that of another
    address; there is at most one of each.
    """

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
    membership_number: int = 0
    team_version: int = 0
    reset: SentCode | None = None
    address_change: SentCode | None = None
    authenticator: Authenticator | None = None
    recovery_codes: tuple[bytes, ...] = ()
    recovery_series: int = 0
    company_plan: CompanyPlan | None = None
    state_reason: str = ""
    has_short_password: bool = False
    identities: tuple[LinkedIdentity, ...] = ()
    passkeys: tuple[Passkey, ...] = ()
    deletion: AccountDeletion | None = None

    @property
    def effective_plan(self) -> AccountPlan:
        """The better one of the account's own plan and that of its company."""
        shared = self.company_plan
        if shared is None or shared.id != self.holder.company_id:
            return self.plan
        return max(self.plan, shared.plan, key=tuple(AccountPlan).index)

    @property
    def membership(self) -> CompanyMembership | None:
        """The account's membership of a company, by its copy; None without one."""
        holder = self.holder
        if not holder.company_id:
            return None
        return CompanyMembership(
            holder.company_id, holder.company_name, holder.role, self.membership_number, self.team_version
        )

    @property
    def is_staff(self) -> bool:
        return self.holder.kind in STAFF_KINDS

    @property
    def can_sign_in(self) -> bool:
        return self.state in _SIGN_IN_STATES

    @property
    def is_proven(self) -> bool:
        return self.state is not AccountState.PENDING_VERIFICATION

    @property
    def email_verified(self) -> bool:
        return self.verify_time is not None

    def holds(self, address: str) -> bool:
        """Return whether this is the account's address, as `normalise_address` returns it.

        For a moment after a change of address the directory still names the account at the former one.
        """
        return normalise_address(self.email) == address

    def can_be_reset_at(self, address: str) -> bool:
        """Return whether a forgotten password can be replaced by a code that is sent to this address."""
        return self.is_proven and self.state is not AccountState.DELETED and self.holds(address)

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
        self, proofs: Iterable[tuple[bytes, RegistrationClient]], guesses: CodeGuesses, now: datetime
    ) -> PendingRegistration | None:
        """Return the pending registration of a code; compare with each of them in constant time.

        `proofs` are the digests of the code and of the client who guesses, by each accepted key. None for an
        account that is proven, or suspended: there is nothing to verify.
        """
        found = None
        if self.is_proven:
            return None
        for code_digest, guesser in proofs:
            for registration in self.registrations:
                matches = hmac.compare_digest(registration.code_digest, code_digest)
                if matches and registration.is_live(guesses, guesser, now):
                    found = registration
        return found

    def find_registration_from(self, clients: Iterable[RegistrationClient]) -> PendingRegistration | None:
        """Return the newest registration from a client, whose digests by each accepted key these are.

        None when the client is not known, and for an account that is proven or suspended.
        """
        if self.is_proven:
            return None
        known = {each.client for each in clients if each.client}
        own = [each for each in self.registrations if each.came_from.client in known]
        return own[-1] if own else None

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

    def with_membership(self, membership: CompanyMembership, now: datetime) -> "Account":
        """Return the account with a membership; the same one if a later membership is known, or for staff.

        Sessions that began before the end of a membership end with it.
        """
        if self.is_staff or (membership.number, membership.team_version) <= (
            self.membership_number,
            self.team_version,
        ):
            return self
        holder = AccountHolder(self.holder.name, self.holder.kind)
        if not membership.has_ended:
            holder = replace(
                holder,
                role=membership.role,
                company_id=membership.company_id,
                company_name=membership.company_name,
            )
        return replace(
            self,
            holder=holder,
            credential=self.credential + 1 if membership.has_ended else self.credential,
            membership_number=membership.number,
            team_version=membership.team_version,
            update_time=now,
            version=self.version + 1,
        )

    def with_resent_code(self, registration: PendingRegistration, resent: PendingRegistration) -> "Account":
        """Return the account whose registration has another code."""
        kept = tuple(resent if each is registration else each for each in self.registrations)
        return replace(self, registrations=kept, version=self.version + 1)

    def with_reset(self, sent: SentCode) -> "Account":
        """Return the account whose password can be replaced with this code, and no earlier one."""
        return replace(self, reset=sent, version=self.version + 1)

    def with_address_change(self, sent: SentCode) -> "Account":
        """Return the account that can get another address with this code, and no earlier one."""
        return replace(self, address_change=sent, version=self.version + 1)

    def with_password(self, password_hash: str, now: datetime, *, is_short: bool = False) -> "Account":
        """Return the account with another password: codes for one are void, and a lock is lifted.

        `is_short`: it is long enough only beside a second factor.
        """
        return replace(
            self,
            state=AccountState.ACTIVE if self.state is AccountState.LOCKED else self.state,
            password_hash=password_hash,
            credential=self.credential + 1,
            has_short_password=is_short,
            reset=None,
            update_time=now,
            version=self.version + 1,
        )

    def with_address(self, now: datetime) -> "Account":
        """Return the account with the address that it was to get."""
        if self.address_change is None:
            return self
        return replace(
            self,
            email=self.address_change.email,
            address_change=None,
            reset=None,
            update_time=now,
            version=self.version + 1,
        )

    @property
    def needs_second_factor(self) -> bool:
        """Whether a password alone does not sign in."""
        return self.authenticator is not None and self.authenticator.confirm_time is not None

    def with_authenticator(
        self, authenticator: Authenticator | None, recovery_codes: tuple[bytes, ...] = ()
    ) -> "Account":
        """Return the account with this app and these recovery codes instead of all earlier ones."""
        return replace(
            self, authenticator=authenticator, recovery_codes=recovery_codes, version=self.version + 1
        )

    def with_new_codes(self, authenticator: Authenticator, recovery_codes: tuple[bytes, ...]) -> "Account":
        """Return the account with this app and recovery codes that were made just now."""
        changed = self.with_authenticator(authenticator, recovery_codes)
        return replace(changed, recovery_series=self.recovery_series + 1)

    def without_authenticator(self) -> "Account":
        """Return the account without app and recovery codes; sessions of staff end, which need a factor."""
        changed = self.with_authenticator(None)
        return replace(changed, credential=self.credential + 1) if self.is_staff else changed

    def with_used_step(self, step: int) -> "Account":
        """Return the account after a code of its app was used."""
        if self.authenticator is None:
            return self
        return self.with_authenticator(replace(self.authenticator, last_step=step), self.recovery_codes)

    def check_may_sign_in(self) -> None:
        """Raise ACCOUNT_LOCKED for a locked account, INVALID_CREDENTIALS for a deleted one."""
        if self.state is AccountState.DELETED:
            raise invalid_credentials()
        if not self.can_sign_in:
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


def staff_account() -> Exception:
    return domain_error("STAFF_ACCOUNT", "Staff accounts are managed by the operators' command only.")


def invalid_credentials() -> Exception:
    return domain_error("INVALID_CREDENTIALS", "The e-mail address or the password is wrong.")


def invalid_code(reason: str = "INVALID_VERIFICATION_CODE") -> Exception:
    return domain_error(reason, "The code is wrong, was used, or has expired.")
