"""The use case that applies changes of companies' members to accounts and sessions."""

from chassis.clock import Clock
from services.auth.domain.accounts import Account, CompanyMembership
from services.auth.performers import member_performer
from services.auth.repository import AccountChange, AccountRepository, CompanyPlanRepository
from services.auth.service.ended_access import EndedAccess
from services.auth.service.manage_company_plans import ManageCompanyPlans


class FollowMemberships:
    """Applies memberships, which the user service owns.

    A new company or role is in the tokens of the next refresh, and so is the company's plan. The end of a
    membership ends the sessions that began before, and revokes their access tokens, which name the company.
    """

    def __init__(
        self,
        accounts: AccountRepository,
        companies: CompanyPlanRepository,
        plans: ManageCompanyPlans,
        ended_access: EndedAccess,
        clock: Clock,
    ) -> None:
        self._accounts = accounts
        self._companies = companies
        self._plans = plans
        self._ended_access = ended_access
        self._clock = clock

    async def apply(self, user_id: str, membership: CompanyMembership, actor_id: str = "") -> None:
        """Apply a membership, in the order of its versions. A repeat revokes again, in case of a crash.

        `actor_id` is who has changed it, as far as it is known. The company knows its member before the
        member gets its plan: whatever plan it is given at the same time, either side finds the other.
        """
        now = self._clock.now()
        await self._companies.record_member(user_id, membership)

        def decide(account: Account | None) -> AccountChange[Account | None]:
            after = account.with_membership(membership, now) if account else None
            return AccountChange(after, account=None if after == account else after)

        performer = member_performer(actor_id, user_id, membership.company_id)
        changed = await self._accounts.update_with_session(user_id, decide, performer=performer)
        account = changed.answer
        if account is None:
            return
        if membership.has_ended:
            await self._ended_access.revoke(account)
        else:
            await self._plans.pass_on(membership.company_id, user_id)

    async def record_founder(self, user_id: str, membership: CompanyMembership) -> None:
        """Store the member who has registered a company: no event of a membership says so."""
        await self._companies.record_member(user_id, membership)
