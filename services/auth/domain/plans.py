"""Plans: given to an account, or to a company for all its members.

A better plan is in the next access token. A worse one ends the sessions, as their tokens name the better one.
"""

from dataclasses import replace
from datetime import datetime

from chassis.errors import Violation, invalid_argument
from services.auth.domain.accounts import Account, AccountKind, AccountPlan, CompanyPlan, staff_account


def with_plan(account: Account, plan: AccountPlan, now: datetime, *, by_operator: bool = False) -> Account:
    """Return the account with a plan of its own; the same one if it has that.

    Raises INVALID_FIELD on `plan` for ADMIN, unless the account is an administrator's; STAFF_ACCOUNT for one
    of staff, unless an operator gives it.
    """
    if plan is AccountPlan.ADMIN and account.holder.kind is not AccountKind.ADMIN:
        raise invalid_argument(Violation("plan", "is for administrators; choose PREMIUM or PRO"))
    if account.is_staff and not by_operator:
        raise staff_account()
    return account if account.plan is plan else _with_change(account, replace(account, plan=plan), now)


def with_company_plan(account: Account, plan: CompanyPlan, now: datetime) -> Account:
    """Return a member with the plan of the company; the same account for another's, or an older plan."""
    if account.holder.company_id != plan.id:
        return account
    known = account.company_plan
    if known is not None and known.id == plan.id and known.version >= plan.version:
        return account
    return _with_change(account, replace(account, company_plan=plan), now)


def _with_change(before: Account, after: Account, now: datetime) -> Account:
    plans = tuple(AccountPlan)
    is_worse = plans.index(after.effective_plan) < plans.index(before.effective_plan)
    return replace(
        after,
        credential=before.credential + 1 if is_worse else before.credential,
        update_time=now,
        version=before.version + 1,
    )
