"""Plans of accounts and of companies: the better one counts, and a worse one ends the sessions."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.errors import DomainError
from services.auth.domain.accounts import (
    Account,
    AccountHolder,
    AccountKind,
    AccountPlan,
    CompanyMembership,
    CompanyPlan,
    CompanyRole,
    PendingRegistration,
    open_account,
)
from services.auth.domain.plans import with_company_plan, with_plan
from services.auth.domain.sessions import EndReason, end_reason

NOW = datetime(2027, 1, 1, tzinfo=UTC)
FREE, PREMIUM, PRO, ADMIN = AccountPlan
RANKS = list(AccountPlan)
MEMBERSHIP = CompanyMembership("cmp_1", "Acme", CompanyRole.RECRUITER, number=1, team_version=2)

common_plans = st.sampled_from([FREE, PREMIUM, PRO])
company_plans = st.builds(
    CompanyPlan, id=st.sampled_from(["cmp_1", "cmp_2"]), plan=common_plans, version=st.integers(1, 6)
)
changes = st.lists(common_plans | company_plans, max_size=12)


def account(kind: AccountKind = AccountKind.COMPANY) -> Account:
    holder = AccountHolder("Grace", kind)
    return open_account("usr_1", "grace@acme.test", PendingRegistration(holder, "hash", b"", 0, NOW), NOW)


def member() -> Account:
    return account().with_membership(MEMBERSHIP, NOW)


def test_a_better_plan_keeps_the_sessions_and_a_worse_one_ends_them() -> None:
    better = with_plan(account(), PRO, NOW)
    assert (better.effective_plan, better.credential) == (PRO, account().credential)
    worse = with_plan(better, PREMIUM, NOW)
    assert (worse.effective_plan, worse.credential) == (PREMIUM, better.credential + 1)
    assert end_reason(better, worse) is EndReason.PLAN_ENDED
    assert with_plan(worse, PREMIUM, NOW) is worse


def test_only_an_administrator_has_the_plan_admin() -> None:
    for kind in set(AccountKind) - {AccountKind.ADMIN}:
        with pytest.raises(DomainError) as refused:
            with_plan(account(kind), ADMIN, NOW)
        assert [each.field for each in refused.value.violations] == ["plan"]
    with pytest.raises(DomainError) as staff:
        with_plan(account(AccountKind.ADMIN), ADMIN, NOW)
    assert staff.value.reason == "STAFF_ACCOUNT"
    assert with_plan(account(AccountKind.ADMIN), ADMIN, NOW, by_operator=True).effective_plan is ADMIN


def test_a_member_has_the_better_one_of_both_plans_as_long_as_it_is_a_member() -> None:
    shared = with_company_plan(member(), CompanyPlan("cmp_1", PREMIUM, 1), NOW)
    assert (shared.plan, shared.effective_plan) == (FREE, PREMIUM)
    assert with_plan(shared, PRO, NOW).effective_plan is PRO
    left = shared.with_membership(replace(MEMBERSHIP, role=None, team_version=3), NOW)
    assert left.effective_plan is FREE


def test_taking_a_plan_away_that_a_better_one_hides_ends_no_session() -> None:
    both = with_plan(with_company_plan(member(), CompanyPlan("cmp_1", PRO, 1), NOW), PREMIUM, NOW)
    assert with_plan(both, FREE, NOW).credential == both.credential
    worse = with_company_plan(both, CompanyPlan("cmp_1", FREE, 2), NOW)
    assert (worse.effective_plan, worse.credential) == (PREMIUM, both.credential + 1)


def test_the_plan_of_another_company_changes_nothing() -> None:
    assert with_company_plan(member(), CompanyPlan("cmp_2", PRO, 1), NOW) == member()


@given(changes)
def test_whatever_comes_in_whatever_order_the_newest_plan_of_the_company_counts(
    order: list[AccountPlan | CompanyPlan],
) -> None:
    found = member()
    for change in order:
        before = found
        found = (
            with_company_plan(found, change, NOW)
            if isinstance(change, CompanyPlan)
            else with_plan(found, change, NOW)
        )
        is_worse = RANKS.index(found.effective_plan) < RANKS.index(before.effective_plan)
        assert (found.credential > before.credential) == is_worse
        assert found == before or found.version == before.version + 1
    shared = [each for each in order if isinstance(each, CompanyPlan) and each.id == "cmp_1"]
    newest = next((each for each in shared if each.version == max(one.version for one in shared)), None)
    assert found.company_plan == newest
    own = next((each for each in reversed(order) if isinstance(each, AccountPlan)), FREE)
    assert found.effective_plan is max(own, newest.plan if newest else FREE, key=RANKS.index)
