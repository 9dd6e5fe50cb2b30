"""Plans of companies, which their members share."""

from typing import Final

from chassis.aggregates import AggregateChange
from chassis.clock import Clock
from chassis.concurrency.bounded_gather import run_for_each
from services.auth.domain.accounts import Account, AccountPlan, CompanyPlan
from services.auth.domain.plans import with_company_plan
from services.auth.repository import AccountChange, AccountRepository, CompanyPlanRepository
from services.auth.service.ended_access import EndedAccess

MAX_CONCURRENT_MEMBERS: Final = 8


class ManageCompanyPlans:
    """Gives a company a plan, and passes it on to its members.

    Each account has a copy with the version of the plan: of two that are passed on at once the later one
    stays.
    """

    def __init__(
        self,
        companies: CompanyPlanRepository,
        accounts: AccountRepository,
        ended_access: EndedAccess,
        clock: Clock,
    ) -> None:
        self._companies = companies
        self._accounts = accounts
        self._ended_access = ended_access
        self._clock = clock

    async def set_plan(self, company_id: str, plan: AccountPlan) -> tuple[CompanyPlan, int]:
        """Give a company a plan; return it and the number of members who have it.

        A repeat passes it on again. Raises COMPANY_NOT_FOUND for one that has never had a member.
        """
        if not (await self._companies.list_members(company_id)).is_known:
            raise self._companies.not_found(company_id)

        def decide(found: CompanyPlan | None) -> AggregateChange[CompanyPlan] | None:
            present = found or CompanyPlan(company_id)
            if found is not None and found.plan is plan:
                return None
            return AggregateChange(CompanyPlan(company_id, plan, present.version + 1))

        stored = await self._companies.upsert(company_id, decide) or CompanyPlan(company_id, plan)
        # Read after the plan was stored: a member who joins now either is in it, or finds the plan.
        members = (await self._companies.list_members(company_id)).user_ids
        having_it: list[str] = []

        async def pass_on(user_id: str) -> None:
            if await self._pass_on(stored, user_id):
                having_it.append(user_id)

        await run_for_each(members, pass_on, max_concurrent=MAX_CONCURRENT_MEMBERS)
        return stored, len(having_it)

    async def pass_on(self, company_id: str, user_id: str) -> None:
        """Give a member the company's plan, if it has one."""
        plan = await self._companies.get(company_id)
        if plan is not None:
            await self._pass_on(plan, user_id)

    async def _pass_on(self, plan: CompanyPlan, user_id: str) -> bool:
        """Give a member the plan; return whether the person is a member at all."""
        now = self._clock.now()

        def decide(account: Account | None) -> AccountChange[Account | None]:
            after = with_company_plan(account, plan, now) if account else None
            return AccountChange(after, account=None if after == account else after)

        account = (await self._accounts.update_with_session(user_id, decide)).answer
        if account is None or account.holder.company_id != plan.id:
            return False
        await self._ended_access.revoke(account)
        return True
