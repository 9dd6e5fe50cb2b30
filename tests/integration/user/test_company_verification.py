"""The proof of a company's domain, with a DNS server of the test's own."""

import dns.rcode
import pytest

from chassis.call_context import Principal, acting_as
from chassis.errors import DomainError
from internshipconnect.events.v1.events_pb2 import CompanyStateChanged
from internshipconnect.user.v1 import companies_pb2 as pb
from internshipconnect.user.v1 import user_pb2 as user
from services.user.domain import CompanyState
from tests.databases import read_outbox
from tests.integration.user.conftest import NO_CONTEXT, UserHarness, an_owner

DOMAIN = "acme.com"


async def an_acme(users: UserHarness) -> Principal:
    owner = an_owner()
    await users.registered(owner, "Ada", "Acme")
    await users.verified(owner)
    return owner


async def request(
    users: UserHarness,
    owner: Principal,
    domain: str = DOMAIN,
    method: pb.VerificationMethod.ValueType = pb.VERIFICATION_METHOD_DNS,
) -> pb.CompanyVerification:
    asked = pb.RequestCompanyVerificationRequest(domain=domain, method=method)
    with acting_as(owner):
        return await users.team_api.RequestCompanyVerification(asked, NO_CONTEXT)


async def check(users: UserHarness, owner: Principal) -> pb.CompanyVerification:
    with acting_as(owner):
        return await users.team_api.CheckCompanyVerification(pb.CheckCompanyVerificationRequest(), NO_CONTEXT)


async def test_a_company_is_verified_by_the_record_of_its_domain(users: UserHarness) -> None:
    owner = await an_acme(users)
    asked = await request(users, owner)
    assert (asked.state, asked.dns_name) == (user.COMPANY_STATE_PENDING, f"_internshipconnect.{DOMAIN}")

    missing = await check(users, owner)
    assert missing.state == user.COMPANY_STATE_PENDING
    assert "was not found" in missing.problem
    users.text_server.texts[asked.dns_name] = ["internshipconnect-verification=of-another-company"]
    assert "has other texts" in (await check(users, owner)).problem

    users.text_server.texts[asked.dns_name].append(asked.dns_text)
    verified = await check(users, owner)
    assert (verified.state, verified.domain, verified.problem) == (user.COMPANY_STATE_VERIFIED, DOMAIN, "")
    page = await users.companies.get_company(owner.org)
    assert page is not None and page.verified_domain == DOMAIN
    changes = await read_outbox(users.shards, CompanyStateChanged, owner.org)
    # Both at one moment of the clock, so in either order.
    states = {user.COMPANY_STATE_PENDING, user.COMPANY_STATE_VERIFIED}
    assert {change.to for change in changes} == states
    assert len(changes) == len(states)
    assert changes[-1].moderator == ""
    await users.search(owner)


async def test_dns_that_does_not_answer_leaves_everything_as_it_is(users: UserHarness) -> None:
    owner = await an_acme(users)
    await request(users, owner)
    users.text_server.error = dns.rcode.SERVFAIL
    with pytest.raises(DomainError) as failure:
        await check(users, owner)
    assert failure.value.reason == "UNAVAILABLE"
    page = await users.companies.get_company(owner.org)
    assert page is not None and page.state is CompanyState.PENDING


async def test_an_owner_with_an_address_at_the_domain_verifies_it(users: UserHarness) -> None:
    owner = await an_acme(users)
    asked = await request(users, owner, "", pb.VERIFICATION_METHOD_WORK_ADDRESS)
    assert (asked.domain, asked.dns_name) == ("campus.test", "")
    assert (await check(users, owner)).state == user.COMPANY_STATE_VERIFIED


async def test_an_address_elsewhere_or_one_that_is_not_proven_verifies_nothing(users: UserHarness) -> None:
    owner = await an_acme(users)
    await request(users, owner, DOMAIN, pb.VERIFICATION_METHOD_WORK_ADDRESS)
    assert (await check(users, owner)).state == user.COMPANY_STATE_PENDING
    unproven = an_owner()
    await users.registered(unproven, "Eve", "Evil")
    await request(users, unproven, "campus.test", pb.VERIFICATION_METHOD_WORK_ADDRESS)
    assert (await check(users, unproven)).state == user.COMPANY_STATE_PENDING


@pytest.mark.parametrize("domain", ["co.uk", "github.io", "gmail.com"])
async def test_a_domain_that_is_nobodys_own_is_refused(users: UserHarness, domain: str) -> None:
    owner = await an_acme(users)
    with pytest.raises(DomainError) as failure:
        await request(users, owner, domain, pb.VERIFICATION_METHOD_WORK_ADDRESS)
    assert failure.value.violations[0].field == "domain"


async def test_a_company_that_a_moderator_has_rejected_stays_so(users: UserHarness) -> None:
    owner = await an_acme(users)
    await users.companies.set_state(owner.org, CompanyState.REJECTED, "maria", "False.")
    with pytest.raises(DomainError) as failure:
        await request(users, owner)
    assert failure.value.reason == "VERIFICATION_NOT_POSSIBLE"


async def test_only_an_owner_verifies(users: UserHarness) -> None:
    owner = await an_acme(users)
    recruiter = Principal(an_owner().id, "COMPANY", role="RECRUITER", org=owner.org, email_verified=True)
    with pytest.raises(DomainError) as failure:
        await request(users, recruiter)
    assert failure.value.reason == "PERMISSION_DENIED"
