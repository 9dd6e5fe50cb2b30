"""The accounts of people whom another provider has proven: by a verified address only, or new ones."""

import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from chassis.clock import Clock
from chassis.errors import DomainError, overloaded
from chassis.ids import new_id, slot_of
from chassis.text import EmailAddressError, parse_email_address, to_single_line, truncate_text
from services.auth.domain.accounts import Account, AccountKind, PendingRegistration, open_account
from services.auth.domain.events import AuthEvent, UserWasVerified, registered_events
from services.auth.domain.identities import (
    PROVIDER_METHOD,
    LinkedIdentity,
    ProvenIdentity,
    unverified_provider_email,
)
from services.auth.domain.linking import with_identity
from services.auth.domain.sessions import RefreshToken, Session
from services.auth.domain.sign_in_result import SignInResult
from services.auth.domain.visitor import Visitor
from services.auth.hashing import Argon2Hasher
from services.auth.performers import proven_owner
from services.auth.repository import AccountChange, AccountRepository, IdentityDirectory
from services.auth.service.register import Register
from services.auth.service.sign_in import SignIn

MAX_NAME_CHARS: Final = 120
_UNKNOWN_PASSWORD_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class Newcomer:
    """What the account of somebody new is to be."""

    kind: AccountKind = AccountKind.STUDENT
    company_name: str = ""
    locale: str = ""


class ProviderAccounts:
    """Finds and opens accounts.

    A new account has a password that nobody knows: its owner may choose one by a code, and each rule about
    passwords stays as it is.
    """

    def __init__(
        self,
        accounts: AccountRepository,
        directory: IdentityDirectory,
        *,
        hasher: Argon2Hasher,
        register: Register,
        sign_in: SignIn,
        clock: Clock,
    ) -> None:
        self._accounts = accounts
        self._directory = directory
        self._hasher = hasher
        self._register = register
        self._sign_in = sign_in
        self._clock = clock

    async def find_by_email(self, identity: ProvenIdentity) -> Account | None:
        """Return the account of the address that the provider has verified; None where nobody has proven it.

        Raises PROVIDER_EMAIL_UNVERIFIED.
        """
        address = _verified_address(identity)
        user_id = await self._accounts.find_user_id(address)
        account = await self._accounts.get(user_id) if user_id else None
        return account if account and account.is_proven and account.holds(address) else None

    async def open_account(
        self, identity: ProvenIdentity, newcomer: Newcomer, visitor: Visitor, *, former: str | None
    ) -> SignInResult:
        """Open an account for the identity, and begin its session; `former` is the directory's entry for it.

        Registrations of the address that nobody has proven are dropped, with their passwords and sessions.
        Raises OVERLOADED when the address has been proven since.
        """
        now = self._clock.now()
        password_hash = await self._hasher.rehash_password(secrets.token_urlsafe(_UNKNOWN_PASSWORD_BYTES))
        user_id = await self._register.reserve_address(_verified_address(identity), now)
        if not await self._directory.enter_user(identity.key, user_id, former=former, now=now):
            raise overloaded("This identity")
        given = truncate_text(to_single_line(identity.name), MAX_NAME_CHARS)
        name = given or identity.email.partition("@")[0]
        registration = PendingRegistration(
            holder=self._register.new_holder(name, newcomer.kind, newcomer.company_name),
            password_hash=password_hash,
            code_digest=b"",
            guesses_before=0,
            expire_time=now,
            email=identity.email,
            locale=newcomer.locale,
        )
        changed = await self._accounts.update_with_session(
            user_id,
            lambda account: self._decide_opening(account, user_id, registration, identity, visitor),
            performer=proven_owner(user_id),
        )
        await self._sign_in.revoke_sessions(changed.ended_sessions)
        return await self._sign_in.sign_in_result(*changed.answer, visitor)

    def _decide_opening(
        self,
        before: Account | None,
        user_id: str,
        registration: PendingRegistration,
        identity: ProvenIdentity,
        visitor: Visitor,
    ) -> AccountChange[tuple[Account, Session, RefreshToken]]:
        now = self._clock.now()
        if before is not None and before.is_proven:
            raise DomainError("OVERLOADED", "The address is being proven; try again.", retry_after_s=1.0)
        opened = before or open_account(user_id, identity.email, registration, now)
        linked = new_linked_identity(identity, user_id, now)
        after = with_identity(opened.verified_by(registration, now), linked)
        session, token = self._sign_in.begin_session(after, visitor, (PROVIDER_METHOD,))
        events: tuple[AuthEvent, ...] = (*registered_events(before, after), UserWasVerified(user_id))
        return AccountChange((after, session, token), account=after, session=session, events=events)


def new_linked_identity(identity: ProvenIdentity, user_id: str, now: datetime) -> LinkedIdentity:
    """Return an identity as the account of this user keeps it."""
    return LinkedIdentity(
        id=new_id("idn", slot_of(user_id), at=now),
        provider_id=identity.provider_id,
        issuer=identity.issuer,
        subject=identity.subject,
        email=identity.email,
        link_time=now,
    )


def _verified_address(identity: ProvenIdentity) -> str:
    if not identity.email_verified:
        raise unverified_provider_email()
    try:
        return parse_email_address(identity.email).key
    except EmailAddressError:
        raise unverified_provider_email() from None
