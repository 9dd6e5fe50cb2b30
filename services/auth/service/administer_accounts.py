"""What administrators see of other people's accounts, and change in them."""

from collections.abc import Callable
from datetime import datetime

from chassis.clock import Clock
from services.auth.domain.accounts import Account, AccountPlan
from services.auth.domain.addresses import normalise_address
from services.auth.domain.plans import with_plan
from services.auth.domain.staff import restored_account, suspended_account
from services.auth.repository import AccountChange, AccountRepository
from services.auth.service.ended_access import EndedAccess


class AdministerAccounts:
    """Accounts by ID or address, their plans, and their suspension."""

    def __init__(self, accounts: AccountRepository, ended_access: EndedAccess, clock: Clock) -> None:
        self._accounts = accounts
        self._ended_access = ended_access
        self._clock = clock

    async def get_account(self, user_id: str) -> Account:
        """Return an account. Raises USER_NOT_FOUND."""
        return await self._accounts.get_or_raise(user_id)

    async def find_account(self, email: str) -> Account:
        """Return the account of an address. Raises USER_NOT_FOUND, INVALID_FIELD on `email`."""
        address = normalise_address(email)
        user_id = await self._accounts.find_user_id(address)
        account = await self._accounts.get(user_id) if user_id else None
        if account is None or not account.holds(address):
            raise self._accounts.not_found("of this address")
        return account

    async def set_plan(self, user_id: str, plan: AccountPlan, *, by_operator: bool = False) -> Account:
        """Give an account a plan of its own; a worse one ends its sessions.

        Raises USER_NOT_FOUND, INVALID_FIELD on `plan`, STAFF_ACCOUNT unless an operator gives it.
        """
        return await self._change(
            user_id, lambda account, now: with_plan(account, plan, now, by_operator=by_operator)
        )

    async def suspend(self, user_id: str, reason: str) -> Account:
        """Suspend an account and end its sessions. Raises USER_NOT_FOUND, STAFF_ACCOUNT."""
        return await self._change(user_id, lambda account, now: suspended_account(account, reason, now))

    async def restore(self, user_id: str, reason: str) -> Account:
        """Let a suspended account sign in again. Raises USER_NOT_FOUND, STAFF_ACCOUNT."""
        return await self._change(user_id, lambda account, now: restored_account(account, reason, now))

    async def _change(self, user_id: str, change: Callable[[Account, datetime], Account]) -> Account:
        """Change an account; a repeat, which changes nothing, revokes again what a crash may have left."""
        now = self._clock.now()

        def decide(account: Account | None) -> AccountChange[Account]:
            if account is None:
                raise self._accounts.not_found(user_id)
            after = change(account, now)
            return AccountChange(after, account=None if after is account else after)

        account = (await self._accounts.update_with_session(user_id, decide)).answer
        await self._ended_access.revoke(account)
        return account
