"""Giving an account another address, which its owner proves to read."""

import asyncio
from typing import Final

from chassis.clock import Clock
from chassis.errors import Violation, invalid_argument, unavailable
from services.auth.domain.accounts import Account, invalid_code
from services.auth.domain.addresses import check_address_reachable, normalise_address, read_address
from services.auth.domain.events import EmailChangeWasRequested, EmailWasChanged
from services.auth.domain.visitor import UNKNOWN_VISITOR, Visitor
from services.auth.repository import MIN_RESERVATION, AccountChange, AccountRepository
from services.auth.service.code_book import CodeBook
from services.auth.service.replace_password import check_own_password
from services.auth.service.sign_in import SignIn

EMAIL_CODE: Final = "INVALID_EMAIL_CODE"


class ChangeAddress:
    """Changes of an account's address, from the wish to the proof."""

    def __init__(
        self,
        accounts: AccountRepository,
        sign_in: SignIn,
        codes: CodeBook,
        clock: Clock,
        *,
        by_smtputf8: bool = False,
    ) -> None:
        self._accounts = accounts
        self._sign_in = sign_in
        self._codes = codes
        self._clock = clock
        self._by_smtputf8 = by_smtputf8

    async def request_change(
        self, user_id: str, email: str, password: str, visitor: Visitor = UNKNOWN_VISITOR
    ) -> None:
        """Have a code sent to an address, and the present one informed.

        The owner of an address that is taken is informed instead of getting a code; the caller sees no
        difference. Raises INVALID_FIELD on `email` or `password`, RATE_LIMITED, OVERLOADED.
        """
        read = read_address(email)
        check_address_reachable(read, by_smtputf8=self._by_smtputf8)
        known = await self._accounts.get_or_raise(user_id)
        await check_own_password(self._sign_in, known, password, visitor)
        if known.holds(read.key):
            raise invalid_argument(Violation("email", "is the account's address already"))
        holder, guesses = await asyncio.gather(
            self._find_holder(read.key), self._codes.count_guesses(read.key, visitor, spend=0)
        )

        def decide(account: Account | None) -> AccountChange[None]:
            if account is None:
                raise self._accounts.not_found(user_id)
            code, sent = self._codes.issue(user_id, read.display, guesses, visitor)
            requested = EmailChangeWasRequested(
                user_id,
                email=read.display,
                code="" if holder else code,
                expire_time=sent.expire_time,
                present_email=account.email,
                owner_id=holder.id if holder else "",
            )
            return AccountChange(None, account=account.with_address_change(sent), events=(requested,))

        await self._accounts.update_with_session(user_id, decide)

    async def confirm_change(self, user_id: str, code: str, visitor: Visitor = UNKNOWN_VISITOR) -> Account:
        """Return the account with the address that this code proves; raises INVALID_EMAIL_CODE.

        The directory names the account at the new address before the account has it, and at the former one
        until afterwards: a stop in between locks nobody out, and `Account.holds` tells which one counts.
        """
        known = await self._accounts.get_or_raise(user_id)
        if known.address_change is None:
            raise invalid_code(EMAIL_CODE)
        address = normalise_address(known.address_change.email)
        guesses = await self._codes.count_guesses(address, visitor, spend=1)

        def decide(account: Account | None) -> AccountChange[Account]:
            sent = account.address_change if account else None
            is_right = self._codes.is_right(sent, user_id, code, guesses, visitor)
            if account is None or sent != known.address_change or not is_right:
                raise invalid_code(EMAIL_CODE)
            after = account.with_address(self._clock.now())
            changed = EmailWasChanged(user_id, account.email, after.email, after.version)
            return AccountChange(after, account=after, events=(changed,))

        decide(known)
        await self._take_address(address, user_id)
        changed = await self._accounts.update_with_session(user_id, decide)
        await self._accounts.release_address(normalise_address(known.email), user_id)
        return changed.answer

    async def _find_holder(self, address: str) -> Account | None:
        """Return the account whose verified address it is; one that is not verified can be given away."""
        account = await self._accounts.get(await self._accounts.find_user_id_or_spare(address))
        return account if account and account.is_proven and account.holds(address) else None

    async def _take_address(self, address: str, user_id: str) -> None:
        """Have the directory name this user at the address.

        Raises INVALID_EMAIL_CODE if it is taken, UNAVAILABLE while somebody else is about to take it.
        """
        now = self._clock.now()
        former = await self._accounts.reserve_address(address, user_id, now)
        if former == user_id:
            return
        if await self._find_holder(address):
            raise invalid_code(EMAIL_CODE)
        if not await self._accounts.replace_address_owner(address, former, user_id, now):
            raise unavailable("This address", retry_after_s=MIN_RESERVATION.total_seconds())
