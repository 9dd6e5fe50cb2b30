"""The use cases of deleting one's own account, and the erasure that follows."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from chassis.clock import Clock
from chassis.observability.logging import get_logger
from services.auth.domain.accounts import Account, CompanyRole
from services.auth.domain.deleted_accounts import (
    with_acknowledgement,
    with_deletion,
    with_erasure,
    without_deletion,
)
from services.auth.domain.deletions import DEFAULT_GRACE, AccountDeletion, last_owner, no_deletion
from services.auth.domain.events import DeletionWasCancelled, DeletionWasRequested, ErasureWasRequested
from services.auth.metrics import erasure_oldest_age_seconds
from services.auth.repository import (
    AccountChange,
    AccountErasureRepository,
    AccountRepository,
    CompanyPlanRepository,
)
from services.auth.service.ended_access import EndedAccess
from services.auth.service.manage_sessions import ManageSessions

MAX_ERASED_PER_RUN: Final = 100
"""Of each shard, after which the next run goes on."""

_log = get_logger()


@dataclass(frozen=True, slots=True)
class DeletionRepositories:
    """What the use cases of deletion read and change."""

    accounts: AccountRepository
    erasures: AccountErasureRepository
    companies: CompanyPlanRepository


class DeleteAccounts:
    """Begins, shows and cancels deletions, and carries out those whose time of grace is over."""

    def __init__(
        self,
        stored: DeletionRepositories,
        manage_sessions: ManageSessions,
        ended_access: EndedAccess,
        clock: Clock,
        grace: timedelta = DEFAULT_GRACE,
    ) -> None:
        self._accounts = stored.accounts
        self._erasures = stored.erasures
        self._companies = stored.companies
        self._manage_sessions = manage_sessions
        self._ended_access = ended_access
        self._clock = clock
        self._grace = grace

    async def begin(self, user_id: str, session_id: str) -> AccountDeletion:
        """Let an account be deleted after the time of grace, and end its other sessions.

        A repeat answers the same. Raises LAST_OWNER, STAFF_ACCOUNT.
        """
        await self._require_successor(await self._accounts.get_or_raise(user_id))
        now = self._clock.now()

        def decide(account: Account | None) -> AccountChange[AccountDeletion]:
            if account is None:
                raise self._accounts.not_found(user_id)
            after = with_deletion(account, now, self._grace)
            if after.deletion is None:
                raise no_deletion(user_id)
            if after is account:
                return AccountChange(after.deletion)
            asked = DeletionWasRequested(user_id, after.email, after.deletion.erase_time)
            return AccountChange(after.deletion, account=after, events=(asked,))

        deletion = (await self._accounts.update_with_session(user_id, decide)).answer
        await self._manage_sessions.end_other_sessions(user_id, session_id)
        return deletion

    async def get(self, user_id: str) -> AccountDeletion:
        """Return the deletion of an account. Raises NO_ACCOUNT_DELETION."""
        account = await self._accounts.get_or_raise(user_id)
        if account.deletion is None:
            raise no_deletion(user_id)
        return account.deletion

    async def cancel(self, user_id: str) -> None:
        """Keep an account. Raises NO_ACCOUNT_DELETION, also once its erasure has begun."""
        now = self._clock.now()

        def decide(account: Account | None) -> AccountChange[None]:
            if account is None:
                raise self._accounts.not_found(user_id)
            after = without_deletion(account, now)
            cancelled = DeletionWasCancelled(user_id, after.email)
            return AccountChange(None, account=after, events=(cancelled,))

        await self._accounts.update_with_session(user_id, decide)

    async def acknowledge(self, user_id: str, service: str) -> None:
        """Record that a service has erased a person; a repeat changes nothing."""
        now = self._clock.now()

        def decide(account: Account | None) -> AccountChange[None]:
            after = with_acknowledgement(account, service, now) if account else None
            return AccountChange(None, account=None if after is account else after)

        await self._accounts.update_with_session(user_id, decide)

    async def settle_due(self) -> None:
        """Request the erasures that are due, and remove accounts whose person all services have erased.

        One that cannot be settled now stays due, and holds up no other.
        """
        for user_id in await self._erasures.list_due_deletions(self._clock.now(), MAX_ERASED_PER_RUN):
            try:
                await self._settle(user_id)
            except Exception as error:
                _log.warning("account deletion not settled yet", error=repr(error))
        await self._export_oldest_age()

    async def _export_oldest_age(self) -> None:
        oldest = await self._erasures.find_oldest_erasure()
        age = self._clock.now() - oldest if oldest else timedelta()
        erasure_oldest_age_seconds.set(max(0.0, age.total_seconds()))

    async def _settle(self, user_id: str) -> None:
        now = self._clock.now()

        def decide(account: Account | None) -> AccountChange[Account | None]:
            after = with_erasure(account, now) if account else None
            if after is None or after is account:
                return AccountChange(account)
            return AccountChange(after, account=after, events=(ErasureWasRequested(user_id),))

        account = (await self._accounts.update_with_session(user_id, decide)).answer
        if account is None or account.deletion is None or account.deletion.is_pending:
            return
        await self._ended_access.revoke(account)
        if not account.deletion.missing:
            await self._erasures.remove(account)

    async def _require_successor(self, account: Account) -> None:
        """Raise LAST_OWNER for an owner with colleagues of whom none is an owner."""
        company_id = account.holder.company_id
        if account.holder.role is not CompanyRole.OWNER or not company_id:
            return
        members = set((await self._companies.list_members(company_id)).user_ids) - {account.id}
        if not members:
            return
        found = await self._accounts.get_each(members)
        others = [each for each in found.items if each.holder.company_id == company_id]
        may_be_owner = bool(found.unavailable_ids)
        if others and not may_be_owner and not any(_is_staying_owner(each) for each in others):
            raise last_owner()


def _is_staying_owner(account: Account) -> bool:
    return account.holder.role is CompanyRole.OWNER and account.deletion is None
