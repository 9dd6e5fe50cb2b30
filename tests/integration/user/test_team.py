"""Companies' people on the stack's stores: invitations, memberships and races."""

import asyncio
from collections.abc import Awaitable
from dataclasses import replace
from datetime import timedelta
from typing import TypeVar

import pytest

from chassis.call_context import Principal, acting_as
from chassis.errors import DomainError
from chassis.idempotency import IdempotentOperation
from chassis.ids import new_id
from internshipconnect.common.v1 import common_pb2 as common
from internshipconnect.events.v1.events_pb2 import (
    CompanyInvitationSent,
    CompanyMembershipChanged,
    CompanyOwnershipTransferred,
)
from internshipconnect.user.v1 import companies_pb2 as pb
from services.user.domain import CompanyState
from services.user.domain.profile import MAX_CLAIM_AGE
from tests.databases import read_outbox
from tests.integration.user.conftest import NO_CONTEXT, UserHarness, a_student, an_owner

T = TypeVar("T")


async def by(person: Principal, call: Awaitable[T]) -> T:
    with acting_as(person):
        return await call


async def at_next_moment(users: UserHarness, person: Principal, call: Awaitable[T]) -> T:
    """Make the call at a time of its own, by which its events are in order."""
    users.clock.advance(timedelta(milliseconds=1))
    return await by(person, call)


async def refusal(person: Principal, call: Awaitable[object]) -> str:
    with pytest.raises(DomainError) as failure:
        await by(person, call)
    return failure.value.reason


async def an_acme(users: UserHarness) -> Principal:
    owner = an_owner()
    await users.registered(owner, "Ada", "Acme")
    return owner


async def an_invited(users: UserHarness, name: str = "Grace") -> Principal:
    """Return a person with a company account and no company."""
    person = Principal(new_id("usr"), "COMPANY", email_verified=True)
    await users.registered(person, name)
    await users.verified(person)
    return person


async def invite(
    users: UserHarness,
    owner: Principal,
    name: str = "Grace",
    role: common.CompanyRole.ValueType | None = None,
) -> pb.Invitation:
    request = pb.InviteMemberRequest(email=f"{name}@campus.test", role=role or common.COMPANY_ROLE_RECRUITER)
    return await at_next_moment(users, owner, users.team_api.InviteMember(request, NO_CONTEXT))


async def sent_links(users: UserHarness, owner: Principal) -> list[str]:
    """Return the secrets of the company's invitations, as they were mailed."""
    sent = await read_outbox(users.shards, CompanyInvitationSent, owner.org)
    return [event.invitation_token for event in sent]


async def accept(users: UserHarness, person: Principal, link: str) -> pb.CompanyMember:
    request = pb.AcceptInvitationRequest(invitation_token=link)
    return await at_next_moment(users, person, users.team_api.AcceptInvitation(request, NO_CONTEXT))


async def joined(
    users: UserHarness,
    owner: Principal,
    name: str = "Grace",
    role: common.CompanyRole.ValueType = common.COMPANY_ROLE_RECRUITER,
) -> Principal:
    """Return a person who has accepted the owner's invitation, with the token of the next refresh."""
    person = await an_invited(users, name)
    await invite(users, owner, name, role)
    await accept(users, person, (await sent_links(users, owner))[-1])
    label = common.CompanyRole.Name(role).removeprefix("COMPANY_ROLE_")
    return replace(person, org=owner.org, role=label)


async def members(users: UserHarness, person: Principal) -> dict[str, str]:
    listed = await by(person, users.team_api.ListMembers(pb.ListMembersRequest(), NO_CONTEXT))
    return {each.name: common.CompanyRole.Name(each.role) for each in listed.data}


async def test_a_company_begins_with_its_founder(users: UserHarness) -> None:
    owner = await an_acme(users)
    listed = await by(owner, users.team_api.ListMembers(pb.ListMembersRequest(), NO_CONTEXT))
    [member] = listed.data
    assert (member.user_id, member.name, member.email) == (owner.id, "Ada", "ada@campus.test")
    assert member.role == common.COMPANY_ROLE_OWNER


async def test_an_invited_person_joins_with_the_role_of_the_invitation(users: UserHarness) -> None:
    owner = await an_acme(users)
    invitation = await invite(users, owner)
    assert (invitation.email, invitation.state) == ("Grace@campus.test", pb.INVITATION_STATE_SENT)
    [sent] = await read_outbox(users.shards, CompanyInvitationSent, owner.org)
    assert (sent.company_name, sent.inviter_name, sent.email) == ("Acme", "Ada", "Grace@campus.test")
    grace = await an_invited(users)
    member = await accept(users, grace, sent.invitation_token)
    assert (member.user_id, member.role) == (grace.id, common.COMPANY_ROLE_RECRUITER)
    assert await members(users, owner) == {"Ada": "COMPANY_ROLE_OWNER", "Grace": "COMPANY_ROLE_RECRUITER"}
    [event] = await read_outbox(users.shards, CompanyMembershipChanged, owner.org)
    assert (event.user_id, event.role, event.change) == (
        grace.id,
        common.COMPANY_ROLE_RECRUITER,
        pb.MEMBERSHIP_CHANGE_JOINED,
    )
    assert (event.actor_id, event.membership_number) == (owner.id, 1)
    assert (await users.get_me(grace)).company_id == owner.org


async def test_the_secret_of_a_link_is_nowhere_in_the_stored_team(users: UserHarness) -> None:
    owner = await an_acme(users)
    await invite(users, owner)
    [link] = await sent_links(users, owner)
    stored = await users.shards.shard_for(owner.org).db["company_teams"].find_one({"_id": owner.org})
    assert link.partition(".")[2] not in str(stored)


async def test_the_page_of_an_invitation_shows_who_invites_and_changes_nothing(users: UserHarness) -> None:
    owner = await an_acme(users)
    await invite(users, owner)
    [link] = await sent_links(users, owner)
    for _ in range(3):
        offer = await users.team_api.GetInvitation(pb.GetInvitationRequest(invitation_token=link), NO_CONTEXT)
        assert (offer.company_name, offer.inviter_name, offer.email) == ("Acme", "Ada", "Grace@campus.test")
        assert offer.state == pb.INVITATION_STATE_SENT


@pytest.mark.parametrize("link", ["x", f"{new_id('cmp')}.{'A' * 43}"])
async def test_an_invented_link_finds_nothing(users: UserHarness, link: str) -> None:
    person = await an_invited(users)
    request = pb.AcceptInvitationRequest(invitation_token=link)
    assert (
        await refusal(person, users.team_api.AcceptInvitation(request, NO_CONTEXT)) == "INVITATION_NOT_FOUND"
    )


async def test_only_the_invited_address_of_a_company_account_without_a_company_accepts(
    users: UserHarness,
) -> None:
    owner = await an_acme(users)
    await invite(users, owner)
    [link] = await sent_links(users, owner)
    request = pb.AcceptInvitationRequest(invitation_token=link)

    mallory = await an_invited(users, "Mallory")
    refused = await refusal(mallory, users.team_api.AcceptInvitation(request, NO_CONTEXT))
    assert refused == "INVITATION_FOR_ANOTHER_ADDRESS"
    student = a_student()
    await users.registered(student, "Grace")
    refused = await refusal(student, users.team_api.AcceptInvitation(request, NO_CONTEXT))
    assert refused == "COMPANY_ACCOUNT_NEEDED"
    other = an_owner()
    await users.registered(other, "Grace", "Other")
    refused = await refusal(other, users.team_api.AcceptInvitation(request, NO_CONTEXT))
    assert refused == "ALREADY_IN_COMPANY"
    assert await members(users, owner) == {"Ada": "COMPANY_ROLE_OWNER"}


async def test_of_twenty_acceptances_at_once_one_makes_the_membership(users: UserHarness) -> None:
    owner = await an_acme(users)
    await invite(users, owner)
    [link] = await sent_links(users, owner)
    grace = await an_invited(users)
    answers = await asyncio.gather(*(accept(users, grace, link) for _ in range(20)))
    assert {answer.user_id for answer in answers} == {grace.id}
    assert len(await read_outbox(users.shards, CompanyMembershipChanged, owner.org)) == 1
    assert len(await members(users, owner)) == 2


async def test_of_two_accounts_of_one_address_one_joins_and_the_other_learns_that_it_is_closed(
    users: UserHarness,
) -> None:
    owner = await an_acme(users)
    await invite(users, owner)
    [link] = await sent_links(users, owner)
    people = [await an_invited(users) for _ in range(20)]
    answers = await asyncio.gather(
        *(accept(users, person, link) for person in people), return_exceptions=True
    )
    refusals = [answer.reason for answer in answers if isinstance(answer, DomainError)]
    assert refusals == ["INVITATION_CLOSED"] * 19
    assert len(await members(users, owner)) == 1 + 1
    claimed = [(await users.get_me(person)).company_id for person in people]
    assert sorted(claimed) == [""] * 19 + [owner.org]


async def test_a_person_who_accepts_two_companies_at_once_belongs_to_one(users: UserHarness) -> None:
    owners = [await an_acme(users), await an_acme(users)]
    links = []
    for owner in owners:
        await invite(users, owner)
        links += await sent_links(users, owner)
    grace = await an_invited(users)
    answers = await asyncio.gather(*(accept(users, grace, link) for link in links), return_exceptions=True)
    [refused] = [answer for answer in answers if isinstance(answer, DomainError)]
    assert refused.reason == "ALREADY_IN_COMPANY"
    sizes = [len(await members(users, owner)) for owner in owners]
    assert sorted(sizes) == [1, 2]


async def test_a_claim_that_no_membership_followed_does_not_bind_for_long(users: UserHarness) -> None:
    first, second = await an_acme(users), await an_acme(users)
    await invite(users, first)
    await invite(users, second)
    [link] = await sent_links(users, second)
    grace = await an_invited(users)
    profile = await users.teams.claims.get_profile(grace.id)
    await users.teams.claims.claim(profile, first.org)  # and then the process was killed
    request = pb.AcceptInvitationRequest(invitation_token=link)
    assert await refusal(grace, users.team_api.AcceptInvitation(request, NO_CONTEXT)) == "ALREADY_IN_COMPANY"
    users.clock.advance(MAX_CLAIM_AGE + timedelta(seconds=1))
    await accept(users, grace, link)
    assert len(await members(users, second)) == 2


async def test_an_interrupted_acceptance_is_completed_by_the_next_one(users: UserHarness) -> None:
    owner = await an_acme(users)
    await invite(users, owner)
    [link] = await sent_links(users, owner)
    grace = await an_invited(users)
    await users.teams.claims.claim(await users.teams.claims.get_profile(grace.id), owner.org)
    assert (await accept(users, grace, link)).user_id == grace.id


async def test_of_two_owners_who_leave_at_once_one_stays(users: UserHarness) -> None:
    owner = await an_acme(users)
    other = await joined(users, owner, role=common.COMPANY_ROLE_OWNER)
    answers = await asyncio.gather(
        *(
            by(person, users.team_api.LeaveCompany(pb.LeaveCompanyRequest(), NO_CONTEXT))
            for person in (owner, other)
        ),
        return_exceptions=True,
    )
    [refused] = [answer for answer in answers if isinstance(answer, DomainError)]
    assert refused.reason == "LAST_OWNER"


async def test_a_removed_member_may_nothing_any_more_and_may_be_invited_again(users: UserHarness) -> None:
    owner = await an_acme(users)
    grace = await joined(users, owner, role=common.COMPANY_ROLE_OWNER)
    request = pb.RemoveMemberRequest(user_id=grace.id)
    await at_next_moment(users, owner, users.team_api.RemoveMember(request, NO_CONTEXT))
    assert await refusal(grace, users.team_api.ListMembers(pb.ListMembersRequest(), NO_CONTEXT)) == (
        "PERMISSION_DENIED"
    )
    assert await refusal(owner, users.team_api.RemoveMember(request, NO_CONTEXT)) == "MEMBER_NOT_FOUND"
    [_, ended] = await read_outbox(users.shards, CompanyMembershipChanged, owner.org)
    assert (ended.role, ended.change) == (0, pb.MEMBERSHIP_CHANGE_REMOVED)
    await invite(users, owner)
    await accept(users, grace, (await sent_links(users, owner))[-1])
    events = await read_outbox(users.shards, CompanyMembershipChanged, owner.org)
    order = [(event.membership_number, event.team_version) for event in events]
    assert order == sorted(order) and len(set(order)) == 3
    # The worker was slow: the end of the first membership does not end the second one.
    await users.hear(ended, owner.org)
    assert (await users.get_me(grace)).company_id == owner.org


async def test_the_ownership_is_handed_over_with_one_change(users: UserHarness) -> None:
    owner = await an_acme(users)
    grace = await joined(users, owner, role=common.COMPANY_ROLE_VIEWER)
    request = pb.TransferOwnershipRequest(user_id=grace.id)
    answer = await at_next_moment(users, owner, users.team_api.TransferOwnership(request, NO_CONTEXT))
    assert (answer.owner.user_id, answer.former_owner.role) == (grace.id, common.COMPANY_ROLE_RECRUITER)
    [event] = await read_outbox(users.shards, CompanyOwnershipTransferred, owner.org)
    assert (event.from_name, event.to_name) == ("Ada", "Grace")
    changes = (await read_outbox(users.shards, CompanyMembershipChanged, owner.org))[-2:]
    assert {change.team_version for change in changes} == {changes[0].team_version}
    # The earlier owner's token still says OWNER.
    assert (
        await refusal(
            owner, users.team_api.RemoveMember(pb.RemoveMemberRequest(user_id=grace.id), NO_CONTEXT)
        )
        == "PERMISSION_DENIED"
    )


async def test_an_operation_whose_answer_was_lost_is_done_once(users: UserHarness) -> None:
    owner = await an_acme(users)
    request = pb.InviteMemberRequest(email="grace@campus.test", role=common.COMPANY_ROLE_VIEWER)
    first = IdempotentOperation("op-1", users.clock.now())
    invited = []
    for operation in (first, replace(first, is_replay=True)):
        users.clock.advance(timedelta(seconds=1))
        with acting_as(owner, operation=operation):
            invited.append(await users.team_api.InviteMember(request, NO_CONTEXT))
    assert invited[0].id == invited[1].id
    [link] = await sent_links(users, owner)
    grace = await an_invited(users)
    await accept(users, grace, link)
    removal = pb.RemoveMemberRequest(user_id=grace.id)
    second = IdempotentOperation("op-2", users.clock.now())
    for operation in (second, replace(second, is_replay=True)):
        with acting_as(owner, operation=operation):
            await users.team_api.RemoveMember(removal, NO_CONTEXT)
    assert len(await members(users, owner)) == 1


async def test_a_recruiter_invites_nobody(users: UserHarness) -> None:
    owner = await an_acme(users)
    grace = await joined(users, owner)
    request = pb.InviteMemberRequest(email="x@campus.test", role=common.COMPANY_ROLE_VIEWER)
    assert await refusal(grace, users.team_api.InviteMember(request, NO_CONTEXT)) == "PERMISSION_DENIED"


async def test_a_member_is_not_invited_again_and_an_open_invitation_is_not_repeated(
    users: UserHarness,
) -> None:
    owner = await an_acme(users)
    await joined(users, owner)
    again = pb.InviteMemberRequest(email="GRACE@campus.test", role=common.COMPANY_ROLE_VIEWER)
    assert await refusal(owner, users.team_api.InviteMember(again, NO_CONTEXT)) == "ALREADY_MEMBER"
    await invite(users, owner, "Linus")
    linus = pb.InviteMemberRequest(email="linus@campus.test", role=common.COMPANY_ROLE_VIEWER)
    assert await refusal(owner, users.team_api.InviteMember(linus, NO_CONTEXT)) == "ALREADY_INVITED"


async def test_after_a_resend_only_the_new_link_works(users: UserHarness) -> None:
    owner = await an_acme(users)
    invitation = await invite(users, owner)
    users.clock.advance(timedelta(days=8))
    resend = pb.ResendInvitationRequest(invitation_id=invitation.id)
    resent = await by(owner, users.team_api.ResendInvitation(resend, NO_CONTEXT))
    assert (resent.state, resent.send_count) == (pb.INVITATION_STATE_SENT, 2)
    first, second = await sent_links(users, owner)
    grace = await an_invited(users)
    old = pb.AcceptInvitationRequest(invitation_token=first)
    assert await refusal(grace, users.team_api.AcceptInvitation(old, NO_CONTEXT)) == "INVITATION_NOT_FOUND"
    assert (await accept(users, grace, second)).user_id == grace.id


async def test_a_declined_or_revoked_invitation_cannot_be_accepted(users: UserHarness) -> None:
    owner = await an_acme(users)
    declined, revoked = await invite(users, owner, "Grace"), await invite(users, owner, "Linus")
    for_grace, for_linus = await sent_links(users, owner)
    decline = pb.DeclineInvitationRequest(invitation_token=for_grace)
    for _ in range(2):
        await users.team_api.DeclineInvitation(decline, NO_CONTEXT)
    revoke = pb.RevokeInvitationRequest(invitation_id=revoked.id)
    for _ in range(2):
        await by(owner, users.team_api.RevokeInvitation(revoke, NO_CONTEXT))
    for name, link in (("Grace", for_grace), ("Linus", for_linus)):
        person = await an_invited(users, name)
        request = pb.AcceptInvitationRequest(invitation_token=link)
        refused = await refusal(person, users.team_api.AcceptInvitation(request, NO_CONTEXT))
        assert refused == "INVITATION_CLOSED"
    listed = await by(owner, users.team_api.ListInvitations(pb.ListInvitationsRequest(), NO_CONTEXT))
    assert {each.id: each.state for each in listed.data} == {
        declined.id: pb.INVITATION_STATE_DECLINED,
        revoked.id: pb.INVITATION_STATE_REVOKED,
    }


async def test_a_suspended_company_invites_nobody_and_nobody_joins_it(users: UserHarness) -> None:
    owner = await an_acme(users)
    await invite(users, owner)
    [link] = await sent_links(users, owner)
    await users.companies.set_state(owner.org, CompanyState.SUSPENDED, "maria", "Complaints.")
    request = pb.InviteMemberRequest(email="x@campus.test", role=common.COMPANY_ROLE_VIEWER)
    assert await refusal(owner, users.team_api.InviteMember(request, NO_CONTEXT)) == "COMPANY_SUSPENDED"
    grace = await an_invited(users)
    accepted = users.team_api.AcceptInvitation(pb.AcceptInvitationRequest(invitation_token=link), NO_CONTEXT)
    assert await refusal(grace, accepted) == "COMPANY_SUSPENDED"
