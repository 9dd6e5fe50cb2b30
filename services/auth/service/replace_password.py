"""Replacing a password: a forgotten one by a code, a known one by itself."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from chassis.call_context import SECOND_FACTOR_METHOD
from chassis.clock import Clock
from chassis.errors import Violation, invalid_argument
from services.auth.domain.accounts import Account, invalid_code
from services.auth.domain.addresses import normalise_address
from services.auth.domain.codes import SentCode
from services.auth.domain.events import PasswordResetWasRequested, PasswordWasReplaced
from services.auth.domain.passwords import check_password_length, is_short_password
from services.auth.domain.sessions import RefreshToken, Session
from services.auth.domain.sign_in_result import SignInResult
from services.auth.domain.visitor import UNKNOWN_VISITOR, Visitor
from services.auth.hashing import Argon2Hasher
from services.auth.performers import proven_owner
from services.auth.repository import AccountChange, AccountRepository
from services.auth.service.code_book import CodeBook
from services.auth.service.sign_in import SignIn
from services.auth.service.token_issuer import PASSWORD_AMR

RESET_CODE: Final = "INVALID_RESET_CODE"


@dataclass(frozen=True, slots=True)
class NewPassword:
    """A password that is hard to guess, and its hash; whether it is long enough depends on the account."""

    text: str = field(repr=False)
    hash: str = field(repr=False)

    def replace_in(self, account: Account, now: datetime) -> Account:
        """Return the account with this password. Raises INVALID_FIELD on `new_password` if it is short."""
        check_password_length(self.text, field="new_password", has_second_factor=account.needs_second_factor)
        return account.with_password(self.hash, now, is_short=is_short_password(self.text))


@dataclass(frozen=True, slots=True)
class PresentProof:
    """The methods by which a session was proven, and when."""

    amr: tuple[str, ...]
    time: datetime | None


class ReplacePassword:
    """Resets and changes of passwords."""

    def __init__(
        self,
        accounts: AccountRepository,
        hasher: Argon2Hasher,
        sign_in: SignIn,
        codes: CodeBook,
        clock: Clock,
    ) -> None:
        self._accounts = accounts
        self._hasher = hasher
        self._sign_in = sign_in
        self._codes = codes
        self._clock = clock

    async def request_reset(self, email: str, visitor: Visitor = UNKNOWN_VISITOR) -> None:
        """Have a code sent to the owner of an account; an unknown address costs the same steps.

        An address that is not verified counts as unknown: its password comes with its registration.
        """
        address = normalise_address(email)
        user_id, guesses = await asyncio.gather(
            self._accounts.find_user_id_or_spare(address),
            self._codes.count_guesses(address, visitor, spend=0),
        )

        def decide(account: Account | None) -> AccountChange[None]:
            code, sent = self._codes.issue(user_id, account.email if account else "", guesses, visitor)
            if account is None or not account.can_be_reset_at(address):
                return AccountChange(None, events=(PasswordResetWasRequested(user_id),))
            requested = PasswordResetWasRequested(user_id, account.email, code, sent.expire_time)
            return AccountChange(None, account=account.with_reset(sent), events=(requested,))

        await self._accounts.update_with_session(user_id, decide)

    async def reset(
        self, email: str, code: str, new_password: str, visitor: Visitor = UNKNOWN_VISITOR
    ) -> None:
        """Replace a forgotten password; end all sessions, and forget the failed sign-ins.

        Raises INVALID_RESET_CODE, INVALID_FIELD on `new_password`, OVERLOADED. Whether an account wants a
        longer one is said only to those who have the code.
        """
        address = normalise_address(email)
        password_hash = await self._hasher.hash_new_password(
            new_password, about=[address], field="new_password", has_second_factor=True
        )
        user_id, guesses = await asyncio.gather(
            self._accounts.find_user_id_or_spare(address),
            self._codes.count_guesses(address, visitor, spend=1),
        )
        changed = await self._accounts.update_with_session(
            user_id,
            lambda account: self._decide_reset(
                account,
                address,
                NewPassword(new_password, password_hash),
                lambda sent, owner: self._codes.is_right(sent, owner, code, guesses, visitor),
            ),
            performer=proven_owner(user_id),
        )
        if changed.answer is None:
            raise invalid_code(RESET_CODE)
        await self._sign_in.revoke_sessions(changed.ended_sessions)
        await self._sign_in.forget_failures(changed.answer, visitor)

    async def change(
        self,
        user_id: str,
        password: str,
        new_password: str,
        visitor: Visitor = UNKNOWN_VISITOR,
        *,
        amr: tuple[str, ...] = PASSWORD_AMR,
        auth_time: datetime | None = None,
    ) -> SignInResult:
        """Replace the password of a signed-in person, end all sessions, and begin another one.

        `amr` are the methods of the present session, which the other one keeps, and `auth_time` when they
        were proven: the password alone makes no second factor fresh.

        Raises INVALID_FIELD on `password` or `new_password`, RATE_LIMITED, OVERLOADED.
        """
        known = await self._accounts.get_or_raise(user_id)
        await check_own_password(self._sign_in, known, password, visitor)
        if password == new_password:
            raise invalid_argument(Violation("new_password", "is the present one; choose another"))
        about = [known.email, known.holder.name, known.holder.company_name]
        password_hash = await self._hasher.hash_new_password(
            new_password, about=about, field="new_password", has_second_factor=known.needs_second_factor
        )
        chosen = NewPassword(new_password, password_hash)
        changed = await self._accounts.update_with_session(
            user_id,
            lambda account: self._decide_change(
                account, known.credential, chosen, visitor, PresentProof(amr, auth_time)
            ),
        )
        await self._sign_in.revoke_sessions(changed.ended_sessions)
        return await self._sign_in.sign_in_result(*changed.answer, visitor)

    def _decide_reset(
        self,
        account: Account | None,
        address: str,
        chosen: NewPassword,
        is_right_code: Callable[[SentCode | None, str], bool],
    ) -> AccountChange[Account | None]:
        user_id, sent = (account.id, account.reset) if account else ("", None)
        is_right = is_right_code(sent, user_id)
        if account is None or not is_right or not account.can_be_reset_at(address):
            return AccountChange(None)
        after = chosen.replace_in(account, self._clock.now())
        return AccountChange(after, account=after, events=(PasswordWasReplaced(after.id, after.email),))

    def _decide_change(
        self,
        account: Account | None,
        credential: int,
        chosen: NewPassword,
        visitor: Visitor,
        proof: PresentProof,
    ) -> AccountChange[tuple[Account, Session, RefreshToken]]:
        if account is None or account.credential != credential:
            raise wrong_password()
        after = chosen.replace_in(account, self._clock.now())
        session, token = self._sign_in.begin_session(after, visitor, proof.amr)
        if SECOND_FACTOR_METHOD in proof.amr and proof.time is not None:
            session = replace(session, auth_time=proof.time)
        replaced = PasswordWasReplaced(after.id, after.email)
        return AccountChange((after, session, token), account=after, session=session, events=(replaced,))


async def check_own_password(sign_in: SignIn, account: Account, password: str, visitor: Visitor) -> None:
    """Raise INVALID_FIELD on `password` unless it is the account's; RATE_LIMITED after many guesses."""
    if not await sign_in.is_password_of(account, password, visitor):
        raise wrong_password()


def wrong_password() -> Exception:
    return invalid_argument(Violation("password", "is not the account's present password"))
