"""Rebuilds the lists of companies' members from the accounts, which are their source."""

from datetime import datetime
from typing import Final

from chassis.sharding.reconciler import ReconcileProgress
from services.auth.repository import AccountRepository, CompanyPlanRepository

_MEMBERS: Final = "company members"


class CompanyMembersRebuilder:
    """Finds members whom no list has, and adds them if `write`."""

    def __init__(self, accounts: AccountRepository, companies: CompanyPlanRepository, *, write: bool) -> None:
        self._accounts = accounts
        self._companies = companies
        self._write = write

    async def rebuild(self, since: datetime | None, progress: ReconcileProgress) -> None:
        """Look at the accounts that changed since then, or at all; `progress` receives the numbers."""
        async for page in self._accounts.iterate_pages():
            recent = [account for account in page if since is None or account.update_time >= since]
            missing = 0
            for account in recent:
                membership = account.membership
                if membership is None or await self._companies.is_recorded(account.id, membership):
                    continue
                missing += 1
                if self._write:
                    await self._companies.record_member(account.id, membership)
            progress(_MEMBERS, len(recent), missing)
