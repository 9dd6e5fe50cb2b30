"""Plans that are given and taken: tokens, sessions and the members of companies."""

import asyncio
from datetime import timedelta

import pytest

from chassis.errors import DomainError
from chassis.ids import new_id
from internshipconnect.events.v1.events_pb2 import UserRegistered
from services.auth.domain.accounts import AccountKind, AccountPlan, CompanyMembership, CompanyRole
from services.auth.domain.sign_in_result import SignInResult
from services.auth.mapping import founding_membership
from services.auth.rebuild import CompanyMembersRebuilder
from services.auth.repository import CompanyPlanRepository
from tests.databases import read_outbox
from tests.integration.auth.conftest import PASSWORD, AuthHarness
from tests.integration.auth.test_signing_in import claims_of, reason_of

EMAIL = "grace@acme.test"
COMPANY = new_id("cmp")
FREE, PREMIUM, PRO, ADMIN = AccountPlan


async def a_member(auth: AuthHarness, email: str = EMAIL, *, company_id: str = COMPANY) -> SignInResult:
    auth.clock.advance(timedelta(milliseconds=1))
    await auth.registration.register(email=email, password=PASSWORD, name="Grace", kind=AccountKind.COMPANY)
    user_id = await auth.accounts.find_user_id(email)
    assert user_id
    person = await auth.registration.verify_email(email, (await auth.codes(user_id))[-1])
    await auth.cases.memberships.apply(user_id, membership(company_id))
    return person


def membership(company_id: str = COMPANY, version: int = 2, *, ended: bool = False) -> CompanyMembership:
    role = None if ended else CompanyRole.RECRUITER
    return CompanyMembership(company_id, "Acme", role, number=1, team_version=version)


async def plan_after_refresh(auth: AuthHarness, person: SignInResult) -> str:
    return str(claims_of(await auth.sign_in.refresh(person.refresh_token))["plan"])


async def set_company_plan(auth: AuthHarness, plan: AccountPlan) -> int:
    return (await auth.cases.company_plans.set_plan(COMPANY, plan))[1]


async def test_a_plan_is_in_the_next_token_and_its_end_revokes_the_tokens(auth: AuthHarness) -> None:
    person = await auth.verified(EMAIL)
    assert claims_of(person)["plan"] == "FREE"
    await auth.cases.administration.set_plan(person.account.id, PRO)
    better = await auth.sign_in.refresh(person.refresh_token)
    assert claims_of(better)["plan"] == "PRO"
    assert auth.revocations.revoked == set()
    await auth.cases.administration.set_plan(person.account.id, FREE)
    assert auth.revocations.revoked == {claims_of(better)["sid"]}
    assert await reason_of(auth.sign_in.refresh(better.refresh_token)) == "INVALID_REFRESH_TOKEN"
    assert claims_of(await auth.sign_in.login(EMAIL, PASSWORD))["plan"] == "FREE"


async def test_a_repeat_after_a_crash_revokes_again(auth: AuthHarness) -> None:
    person = await auth.verified(EMAIL)
    for plan in (PRO, FREE):
        await auth.cases.administration.set_plan(person.account.id, plan)
    auth.revocations.revoked.clear()
    await auth.cases.administration.set_plan(person.account.id, FREE)
    assert auth.revocations.revoked == {claims_of(person)["sid"]}


async def test_the_plan_of_a_company_is_that_of_each_member_and_of_who_joins_later(auth: AuthHarness) -> None:
    grace = await a_member(auth)
    assert await set_company_plan(auth, PREMIUM) == 1
    assert await plan_after_refresh(auth, grace) == "PREMIUM"
    later = await a_member(auth, "alan@acme.test")
    assert await plan_after_refresh(auth, later) == "PREMIUM"
    outsider = await a_member(auth, "eve@other.test", company_id=new_id("cmp"))
    assert await plan_after_refresh(auth, outsider) == "FREE"


async def test_the_end_of_a_companys_plan_signs_its_members_out(auth: AuthHarness) -> None:
    people = [await a_member(auth), await a_member(auth, "alan@acme.test")]
    await set_company_plan(auth, PRO)
    assert await set_company_plan(auth, FREE) == 2
    assert auth.revocations.revoked == {claims_of(each)["sid"] for each in people}


async def test_a_member_who_leaves_loses_the_plan_and_a_plan_of_ones_own_stays(auth: AuthHarness) -> None:
    grace = await a_member(auth)
    await set_company_plan(auth, PRO)
    await auth.cases.administration.set_plan(grace.account.id, PREMIUM)
    assert await plan_after_refresh(auth, grace) == "PRO"
    await auth.cases.memberships.apply(grace.account.id, membership(version=3, ended=True))
    assert claims_of(await auth.sign_in.login(EMAIL, PASSWORD))["plan"] == "PREMIUM"
    assert await set_company_plan(auth, FREE) == 0


async def test_joining_while_the_plan_is_set_gets_the_plan(auth: AuthHarness) -> None:
    await a_member(auth)
    for round_number in range(4):
        email = f"member{round_number}@acme.test"
        plan = (PREMIUM, PRO)[round_number % 2]
        joined, _ = await asyncio.gather(a_member(auth, email), set_company_plan(auth, plan))
        account = await auth.accounts.get_or_raise(joined.account.id)
        assert account.effective_plan is plan


async def test_the_founder_of_a_company_is_its_first_member(auth: AuthHarness) -> None:
    user_id = await auth.register(EMAIL, company="Acme")
    founder = await auth.registration.verify_email(EMAIL, (await auth.codes(user_id))[-1])
    company_id = str(claims_of(founder)["org"])
    set_plan = auth.cases.company_plans.set_plan
    assert await reason_of(set_plan(company_id, PRO)) == "COMPANY_NOT_FOUND"
    [registered] = (await read_outbox(auth.shards, UserRegistered, user_id))[-1:]
    founding = founding_membership(registered)
    assert founding is not None
    for _ in range(2):
        await auth.cases.memberships.record_founder(user_id, founding)
    assert (await set_plan(company_id, PRO))[1] == 1
    assert await plan_after_refresh(auth, founder) == "PRO"
    await auth.cases.memberships.apply(user_id, membership(company_id, ended=True))
    await auth.cases.memberships.record_founder(user_id, founding)
    assert (await set_plan(company_id, PREMIUM))[1] == 0


async def test_who_has_no_company_or_no_account_gets_no_plan(auth: AuthHarness) -> None:
    registered = UserRegistered(user_id=new_id("usr"))
    assert founding_membership(registered) is None
    administration = auth.cases.administration
    assert await reason_of(administration.set_plan(new_id("usr"), PRO)) == "USER_NOT_FOUND"
    assert await reason_of(administration.find_account("nobody@acme.test")) == "USER_NOT_FOUND"
    person = await auth.verified(EMAIL)
    with pytest.raises(DomainError) as refused:
        await administration.set_plan(person.account.id, ADMIN)
    assert [each.field for each in refused.value.violations] == ["plan"]


async def test_members_whom_no_list_has_are_found_from_their_accounts(auth: AuthHarness) -> None:
    grace = await a_member(auth)
    companies = CompanyPlanRepository(auth.shards)
    for shard in auth.shards.all_shards():
        await shard.db["company_members"].delete_many({})
    seen: list[tuple[int, int]] = []

    async def rebuild(*, write: bool) -> None:
        rebuilder = CompanyMembersRebuilder(auth.accounts, companies, write=write)
        await rebuilder.rebuild(None, lambda _, more, wrong: seen.append((more, wrong)))

    for write in (False, True, False):
        await rebuild(write=write)
    assert [wrong for more, wrong in seen if more] == [1, 1, 0]
    assert (await companies.list_members(COMPANY)).user_ids == (grace.account.id,)
