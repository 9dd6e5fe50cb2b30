"""Registering an address and verifying it."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from chassis.clock import Clock
from chassis.ids import new_id
from chassis.text import fold_for_comparison
from services.auth.domain.accounts import (
    Account,
    AccountHolder,
    AccountKind,
    CompanyRole,
    PendingRegistration,
    invalid_code,
    open_account,
)
from services.auth.domain.addresses import check_address_reachable, normalise_address, read_address
from services.auth.domain.codes import (
    CODE_LIFE,
    CodeGuesses,
    digest_client,
    digest_code,
    new_code,
)
from services.auth.domain.events import (
    AuthEvent,
    RegistrationWasRepeated,
    UserWasVerified,
    no_verification_requested,
    registered_events,
    verification_requested,
)
from services.auth.domain.sessions import RefreshToken, Session
from services.auth.domain.sign_in_result import SignInResult
from services.auth.domain.visitor import UNKNOWN_VISITOR, Visitor
from services.auth.hashing import Argon2Hasher
from services.auth.performers import proven_owner
from services.auth.repository import AccountChange, AccountChangeResult, AccountRepository
from services.auth.service.sign_in import SignIn


@dataclass(frozen=True, slots=True)
class _RegistrationRequest:
    email: str
    user_id: str
    holder: AccountHolder
    password_hash: str
    guesses: CodeGuesses
    visitor: Visitor
    locale: str


class Register:
    """Registrations, from the form to a verified address."""

    def __init__(
        self,
        accounts: AccountRepository,
        hasher: Argon2Hasher,
        sign_in: SignIn,
        code_keys: Sequence[bytes],
        *,
        clock: Clock,
        by_smtputf8: bool = False,
    ) -> None:
        self._by_smtputf8 = by_smtputf8
        self._accounts = accounts
        self._hasher = hasher
        self._sign_in = sign_in
        self._code_keys = tuple(code_keys)
        self._clock = clock

    async def register(
        self,
        *,
        email: str,
        password: str,
        name: str,
        kind: AccountKind,
        company_name: str = "",
        locale: str = "",
        visitor: Visitor = UNKNOWN_VISITOR,
    ) -> None:
        """Open an account, or add a registration of an unverified address, and have a code sent.

        A company account without a company's name founds none. The owner of a verified address is notified
        instead. Every case costs one hash, the same operations on the address's shard and one transaction on
        the user's. A new user and their company live in this process's region. The address is reserved before
        the account is opened, under a user ID that the next registration takes over if this one is
        interrupted in between. `locale` is the language for mails as long as the profile names none.

        Raises INVALID_FIELD on `email` or `password`, OVERLOADED.
        """
        read = read_address(email)
        check_address_reachable(read, by_smtputf8=self._by_smtputf8)
        address = read.key
        password_hash = await self._hasher.hash_new_password(password, about=[address, name, company_name])
        now = self._clock.now()
        user_id, guesses = await asyncio.gather(
            self.reserve_address(address, now),
            self._accounts.count_guesses(address, self._client_key(visitor), spend=0, now=now),
        )
        holder = self.new_holder(name, kind, company_name)
        request = _RegistrationRequest(read.display, user_id, holder, password_hash, guesses, visitor, locale)
        changed = await self._accounts.update_with_session(
            user_id, lambda account: self._decide_registration(account, request)
        )
        await self._sign_in.revoke_sessions(changed.ended_sessions)

    async def resend_code(self, email: str, visitor: Visitor = UNKNOWN_VISITOR) -> None:
        """Have another code sent for the newest registration from the visitor's network, if there is one.

        Only for that: a code for another's registration would verify another's password. An unknown address
        costs the same steps.
        """
        address = normalise_address(email)
        user_id, guesses = await asyncio.gather(
            self._accounts.find_user_id_or_spare(address),
            self._accounts.count_guesses(address, self._client_key(visitor), spend=0, now=self._clock.now()),
        )
        await self._accounts.update_with_session(
            user_id, lambda account: self._decide_resending(account, user_id, guesses, visitor)
        )

    async def verify_email(self, email: str, code: str, visitor: Visitor = UNKNOWN_VISITOR) -> SignInResult:
        """Verify an address by its code and sign in; raises INVALID_VERIFICATION_CODE.

        The guess is counted before it is checked, also for addresses that were never registered.
        """
        address = normalise_address(email)
        user_id, guesses = await asyncio.gather(
            self._accounts.find_user_id_or_spare(address),
            self._accounts.count_guesses(address, self._client_key(visitor), spend=1, now=self._clock.now()),
        )
        changed = await self._accounts.update_with_session(
            user_id,
            lambda account: self._decide_verification(account, code, guesses, visitor),
            performer=proven_owner(user_id),
        )
        return await self._sign_in_after(changed, visitor)

    def _decide_registration(
        self, account: Account | None, request: _RegistrationRequest
    ) -> AccountChange[None]:
        if account is not None and account.is_proven:
            return AccountChange(None, events=(RegistrationWasRepeated(account),))
        code = new_code()
        now = self._clock.now()
        registration = PendingRegistration(
            holder=_with_earlier_company_id(request.holder, account),
            password_hash=request.password_hash,
            code_digest=digest_code(self._code_keys[0], request.user_id, code),
            guesses_before=request.guesses.total,
            expire_time=now + CODE_LIFE,
            email=request.email,
            came_from=digest_client(self._code_keys[0], request.user_id, request.visitor.client),
            own_guesses_before=request.guesses.by_client,
            locale=request.locale,
        )
        after = (
            account.with_registration(registration, now)
            if account
            else open_account(request.user_id, request.email, registration, now)
        )
        events = (*registered_events(account, after), verification_requested(after, code, registration))
        return AccountChange(None, account=after, events=events)

    def _decide_resending(
        self, account: Account | None, user_id: str, guesses: CodeGuesses, visitor: Visitor
    ) -> AccountChange[None]:
        clients = [digest_client(key, user_id, visitor.client) for key in self._code_keys]
        registration = account.find_registration_from(clients) if account else None
        if account is None or registration is None:
            return AccountChange(None, events=(no_verification_requested(user_id, self._clock.now()),))
        code = new_code()
        resent = replace(
            registration,
            code_digest=digest_code(self._code_keys[0], user_id, code),
            came_from=clients[0],
            guesses_before=guesses.total,
            own_guesses_before=guesses.by_client,
            expire_time=self._clock.now() + CODE_LIFE,
        )
        after = account.with_resent_code(registration, resent)
        return AccountChange(None, account=after, events=(verification_requested(after, code, resent),))

    def _decide_verification(
        self, account: Account | None, code: str, guesses: CodeGuesses, visitor: Visitor
    ) -> AccountChange[tuple[Account, Session, RefreshToken] | None]:
        now = self._clock.now()
        user_id = account.id if account else ""
        proofs = [
            (digest_code(key, user_id, code), digest_client(key, user_id, visitor.client))
            for key in self._code_keys
        ]
        registration = account.find_registration(proofs, guesses, now) if account else None
        if account is None or registration is None:
            return AccountChange(None)
        after = account.verified_by(registration, now)
        session, token = self._sign_in.begin_session(after, visitor)
        events: tuple[AuthEvent, ...] = (*registered_events(account, after), UserWasVerified(after.id))
        return AccountChange((after, session, token), account=after, session=session, events=events)

    async def reserve_address(self, address: str, now: datetime) -> str:
        """Return the user to whom the address belongs from now on.

        An entry that a change of address has left behind is taken over.
        """
        spare = new_id("usr", self._accounts.choose_home_slot(), at=now)
        user_id = await self._accounts.reserve_address(address, spare, now)
        account = await self._accounts.get(user_id)
        is_left_behind = account is not None and account.is_proven and not account.holds(address)
        if is_left_behind and await self._accounts.replace_address_owner(address, user_id, spare, now):
            return spare
        return user_id

    def new_holder(self, name: str, kind: AccountKind, company_name: str) -> AccountHolder:
        """Return the holder of a new account, whose company, if it founds one, is in this region."""
        if kind is not AccountKind.COMPANY or not company_name:
            # A company account without a company's name founds none: it accepts an invitation later.
            return AccountHolder(name, kind)
        return AccountHolder(
            name, kind, CompanyRole.OWNER, new_id("cmp", self._accounts.choose_home_slot()), company_name
        )

    def _client_key(self, visitor: Visitor) -> str:
        """Return the name under which a client's guesses are counted."""
        return digest_client(self._code_keys[0], "", visitor.client).client.hex()

    async def _sign_in_after(
        self, changed: AccountChangeResult[tuple[Account, Session, RefreshToken] | None], visitor: Visitor
    ) -> SignInResult:
        if changed.answer is None:
            raise invalid_code()
        await self._sign_in.revoke_sessions(changed.ended_sessions)
        return await self._sign_in.sign_in_result(*changed.answer, visitor)


def _with_earlier_company_id(holder: AccountHolder, account: Account | None) -> AccountHolder:
    """Return the holder with the company ID of an earlier registration with the same company name."""
    if account is None or (account.holder.kind, fold_for_comparison(account.holder.company_name)) != (
        holder.kind,
        fold_for_comparison(holder.company_name),
    ):
        return holder
    return AccountHolder(
        holder.name, holder.kind, holder.role, account.holder.company_id, holder.company_name
    )
