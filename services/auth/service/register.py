"""Registering an address and proving it."""

import asyncio
import secrets
from dataclasses import dataclass
from typing import Final

from google.protobuf.message import Message

from chassis.clock import Clock
from chassis.ids import new_id, slot_of_key
from chassis.text import fold_for_comparison
from internshipconnect.common.v1 import common_pb2 as common
from internshipconnect.events.v1.events_pb2 import (
    RegistrationRepeated,
    UserRegistered,
    UserVerified,
    VerificationRequested,
)
from services.auth.domain import (
    CODE_DIGITS,
    CODE_LIFE,
    Account,
    AccountHolder,
    AccountKind,
    CompanyRole,
    PendingRegistration,
    RefreshToken,
    Session,
    check_address_reachable,
    digest_code,
    invalid_code,
    normalise_address,
    open_account,
    read_address,
)
from services.auth.hashing import Argon2Hasher
from services.auth.repository import AccountChange, AccountChangeResult, AccountRepository
from services.auth.service.sign_in import UNKNOWN_VISITOR, SignIn, SignInResult
from services.auth.visitor import Visitor

_CODE_COUNT: Final = 10**CODE_DIGITS


@dataclass(frozen=True, slots=True)
class _RegistrationRequest:
    email: str
    user_id: str
    holder: AccountHolder
    password_hash: str
    guesses: int


class Register:
    """From a form to a proven address."""

    def __init__(
        self,
        accounts: AccountRepository,
        hashing: Argon2Hasher,
        signing_in: SignIn,
        code_key: bytes,
        clock: Clock,
        *,
        by_smtputf8: bool = False,
    ) -> None:
        self._by_smtputf8 = by_smtputf8
        self._accounts = accounts
        self._hashing = hashing
        self._signing_in = signing_in
        self._code_key = code_key
        self._clock = clock

    async def register(
        self, *, email: str, password: str, name: str, kind: AccountKind, company_name: str = ""
    ) -> None:
        """Opens an account, or another registration of an unproven address, and has a code sent.

        The owner of a proven address is told instead. Every case costs one hash, two operations on the
        address's shard and one transaction on the user's. The address is reserved before the account is
        opened, under a user's ID that the next registration takes over if this one breaks off between.

        Raises INVALID_FIELD on `email` or `password`, OVERLOADED.
        """
        read = read_address(email)
        check_address_reachable(read, by_smtputf8=self._by_smtputf8)
        address = read.key
        password_hash = await self._hashing.hash_new(password, about=[address, name, company_name])
        now = self._clock.now()
        user_id, guesses = await asyncio.gather(
            self._accounts.reserve(address, new_id("usr", at=now), now),
            self._accounts.guesses(address, spend=0, now=now),
        )
        holder = _new_holder(name, kind, company_name)
        request = _RegistrationRequest(read.display, user_id, holder, password_hash, guesses)
        changed = await self._accounts.change(user_id, lambda account: self._registered(account, request))
        await self._signing_in.revoke(changed.ended_sessions)

    async def verify_email(self, email: str, code: str, visitor: Visitor = UNKNOWN_VISITOR) -> SignInResult:
        """Proves an address by its code and signs in; raises INVALID_VERIFICATION_CODE.

        The guess is counted before it is judged, also for addresses that nobody registered.
        """
        address = normalise_address(email)
        user_id, guesses = await asyncio.gather(
            self._accounts.user_of(address),
            self._accounts.guesses(address, spend=1, now=self._clock.now()),
        )
        changed = await self._accounts.change(
            user_id or new_id("usr", slot_of_key(address)),
            lambda account: self._verified(account, code, guesses),
        )
        return await self._answer(changed, visitor)

    def _registered(self, account: Account | None, request: _RegistrationRequest) -> AccountChange[None]:
        if account is not None and account.is_proven:
            return AccountChange(None, events=(_registration_repeated_event(account),))
        code = f"{secrets.randbelow(_CODE_COUNT):0{CODE_DIGITS}}"
        now = self._clock.now()
        registration = PendingRegistration(
            holder=_with_earlier_company_id(request.holder, account),
            password_hash=request.password_hash,
            code_digest=digest_code(self._code_key, request.user_id, code),
            guesses_before=request.guesses,
            expire_time=now + CODE_LIFE,
            email=request.email,
        )
        after = (
            account.register_again(registration, now)
            if account
            else open_account(request.user_id, request.email, registration, now)
        )
        news = _user_registered_events(after, before=account)
        return AccountChange(
            None, account=after, events=(*news, _verification_requested_event(after, code, registration))
        )

    def _verified(
        self, account: Account | None, code: str, guesses: int
    ) -> AccountChange[tuple[Account, Session, RefreshToken] | None]:
        now = self._clock.now()
        user_id = account.id if account else ""
        digest = digest_code(self._code_key, user_id, code)
        registration = account.registration_of(digest, guesses, now) if account else None
        if account is None or registration is None:
            return AccountChange(None)
        after = account.verify(registration, now)
        session, token = self._signing_in.begin(after)
        events = (*_user_registered_events(after, before=account), UserVerified(user_id=after.id))
        return AccountChange((after, session, token), account=after, session=session, events=events)

    async def _answer(
        self, changed: AccountChangeResult[tuple[Account, Session, RefreshToken] | None], visitor: Visitor
    ) -> SignInResult:
        if changed.answer is None:
            raise invalid_code()
        await self._signing_in.revoke(changed.ended_sessions)
        return await self._signing_in.signed_in(*changed.answer, visitor)


def _new_holder(name: str, kind: AccountKind, company_name: str) -> AccountHolder:
    if kind is not AccountKind.COMPANY:
        return AccountHolder(name, kind)
    return AccountHolder(name, kind, CompanyRole.OWNER, new_id("cmp"), company_name)


def _with_earlier_company_id(holder: AccountHolder, account: Account | None) -> AccountHolder:
    """Takes over the ID of the company that an earlier registration named just so."""
    if account is None or (account.holder.kind, fold_for_comparison(account.holder.company_name)) != (
        holder.kind,
        fold_for_comparison(holder.company_name),
    ):
        return holder
    return AccountHolder(
        holder.name, holder.kind, holder.role, account.holder.company_id, holder.company_name
    )


def _user_registered_events(account: Account, *, before: Account | None) -> tuple[Message, ...]:
    if before is not None and (before.holder, before.email) == (account.holder, account.email):
        return ()
    return (user_registered_event(account),)


def user_registered_event(account: Account) -> UserRegistered:
    """The news of an account."""
    holder = account.holder
    return UserRegistered(
        user_id=account.id,
        email=account.email,
        name=holder.name,
        kind=common.AccountKind.Value(f"ACCOUNT_KIND_{holder.kind}"),
        role=common.CompanyRole.Value(f"COMPANY_ROLE_{holder.role or 'UNSPECIFIED'}"),
        company_id=holder.company_id,
        company_name=holder.company_name,
        account_version=account.version,
        email_verified=account.email_verified,
    )


def _verification_requested_event(account: Account, code: str, registration: PendingRegistration) -> Message:
    event = VerificationRequested(
        user_id=account.id, email=account.email, name=registration.holder.name, code=code
    )
    event.expire_time.FromDatetime(registration.expire_time)
    return event


def _registration_repeated_event(account: Account) -> Message:
    return RegistrationRepeated(user_id=account.id, email=account.email, name=account.holder.name)
