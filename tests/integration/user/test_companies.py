from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from chassis.call_context import Principal, acting_as
from chassis.errors import DomainError
from chassis.ids import new_id
from internshipconnect.common.v1.common_pb2 import Location
from internshipconnect.events.v1.events_pb2 import CompanyStateChanged, CompanyUpdated
from internshipconnect.user.v1 import user_pb2 as pb
from tests.databases import read_outbox
from tests.integration.user.conftest import NO_CONTEXT, UserHarness, an_owner


async def public(users: UserHarness, company_id: str) -> pb.Company:
    answer: Any = await users.api.GetCompany(pb.GetCompanyRequest(company_id=company_id), NO_CONTEXT)
    return pb.Company.FromString(answer)


async def own(users: UserHarness, owner: Principal) -> pb.Company:
    with acting_as(owner):
        return await users.api.GetMyCompany(pb.GetMyCompanyRequest(), NO_CONTEXT)


async def update(users: UserHarness, owner: Principal, company: pb.Company, *paths: str) -> pb.Company:
    request = pb.UpdateMyCompanyRequest(company=company, update_mask=FieldMask(paths=paths))
    with acting_as(owner):
        return await users.api.UpdateMyCompany(request, NO_CONTEXT)


async def an_acme(users: UserHarness) -> Principal:
    owner = an_owner()
    await users.registered(owner, "Ada", "Acme")
    return owner


async def test_a_registered_company_has_a_public_page_and_is_unverified(users: UserHarness) -> None:
    owner = await an_acme(users)
    await users.verified(owner)
    company = await public(users, owner.org)
    assert (company.name, company.state) == ("Acme", pb.COMPANY_STATE_UNVERIFIED)


async def test_a_changed_page_is_shown_at_once_although_it_was_cached(users: UserHarness) -> None:
    owner = await an_acme(users)
    await public(users, owner.org)
    url = "https://anvils.example.com"
    await update(
        users, owner, pb.Company(about="We make anvils.", url=url, locations=[Location(city="Bern")])
    )
    company = await public(users, owner.org)
    assert (company.about, company.locations[0].city) == ("We make anvils.", "Bern")
    [event] = await read_outbox(users.shards, CompanyUpdated, owner.org)
    assert (event.company_id, event.name, event.url) == (owner.org, "Acme", url)


async def test_a_change_of_fields_that_no_other_service_keeps_is_not_published(users: UserHarness) -> None:
    owner = await an_acme(users)
    await update(users, owner, pb.Company(about="We make anvils."))
    assert await read_outbox(users.shards, CompanyUpdated, owner.org) == []


async def test_a_company_that_was_asked_for_too_early_is_shown_when_it_is_there(users: UserHarness) -> None:
    owner = an_owner()
    with pytest.raises(DomainError) as failure:
        await public(users, owner.org)
    assert failure.value.reason == "COMPANY_NOT_FOUND"
    await users.registered(owner, "Ada", "Acme")
    assert (await public(users, owner.org)).name == "Acme"


async def test_the_owner_sees_the_company_before_the_news_of_the_registration(users: UserHarness) -> None:
    owner = an_owner()
    assert (await own(users, owner)).id == owner.org
    await update(users, owner, pb.Company(about="We make anvils."))
    await users.registered(owner, "Ada", "Acme")
    company = await own(users, owner)
    assert (company.name, company.about) == ("Acme", "We make anvils.")


async def test_an_account_without_a_company_has_none_to_see(users: UserHarness) -> None:
    with pytest.raises(DomainError) as failure:
        await own(users, Principal(new_id("usr"), "COMPANY"))
    assert failure.value.reason == "COMPANY_NOT_FOUND"


async def test_a_field_that_the_mask_names_is_cleared(users: UserHarness) -> None:
    owner = await an_acme(users)
    await update(users, owner, pb.Company(about="We make anvils.", size=pb.COMPANY_SIZE_OVER_1000))
    company = await update(users, owner, pb.Company(), "about")
    assert (company.about, company.size) == ("", pb.COMPANY_SIZE_OVER_1000)


@pytest.mark.parametrize("path", ["state", "id", "createTime", "members"])
async def test_a_read_only_or_unknown_path_is_refused(users: UserHarness, path: str) -> None:
    with pytest.raises(DomainError) as failure:
        await update(users, an_owner(), pb.Company(), path)
    assert failure.value.violations[0].field == "updateMask"


async def test_a_stale_etag_is_refused(users: UserHarness) -> None:
    owner = await an_acme(users)
    etag = (await own(users, owner)).etag
    await update(users, owner, pb.Company(about="One", etag=etag))
    with pytest.raises(DomainError) as failure:
        await update(users, owner, pb.Company(about="Two", etag=etag))
    assert failure.value.reason == "STALE_ETAG"


async def test_a_moderators_decision_is_stored_and_published_once_with_who_and_why(
    users: UserHarness,
) -> None:
    owner = await an_acme(users)
    operator = Principal("ops", "SERVICE")
    for _ in range(2):
        request = pb.SetCompanyStateRequest(
            company_id=owner.org, state=pb.COMPANY_STATE_SUSPENDED, reason="Complaints.", moderator="maria"
        )
        with acting_as(operator):
            judged = await users.api.SetCompanyState(request, NO_CONTEXT)
    assert judged.state == pb.COMPANY_STATE_SUSPENDED
    assert (await public(users, owner.org)).state == pb.COMPANY_STATE_SUSPENDED
    [news] = await read_outbox(users.shards, CompanyStateChanged, owner.org)
    assert (news.to, news.moderator, news.reason) == (judged.state, "maria", "Complaints.")
    listed = await users.api.ListCompanies(
        pb.ListCompaniesRequest(state=pb.COMPANY_STATE_SUSPENDED, limit=200), NO_CONTEXT
    )
    assert owner.org in {each.id for each in listed.companies}


async def test_a_company_that_nobody_knows_is_not_made_by_a_decision(users: UserHarness) -> None:
    request = pb.SetCompanyStateRequest(
        company_id=new_id("cmp"), state=pb.COMPANY_STATE_VERIFIED, moderator="maria"
    )
    with acting_as(Principal("ops", "SERVICE")), pytest.raises(DomainError, match="COMPANY_NOT_FOUND"):
        await users.api.SetCompanyState(request, NO_CONTEXT)


async def test_members_of_a_company_that_is_not_verified_find_no_students(users: UserHarness) -> None:
    owner = await an_acme(users)
    with acting_as(owner), pytest.raises(DomainError, match="COMPANY_NOT_VERIFIED"):
        await users.api.SearchStudents(pb.SearchStudentsRequest(), NO_CONTEXT)
