"""A company's team: it always has an owner, nobody is in it twice, and everybody keeps to their rights."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from chassis.errors import DomainError
from chassis.ids import new_id
from services.user.domain.company import CompanyState
from services.user.domain.invitations import INVITATION_LIFE, Invitation, InvitationState
from services.user.domain.roles import TEAM_RIGHTS, MemberRole, TeamAction
from services.user.domain.team import (
    CLOSED_INVITATION_LIFE,
    DECLINE_PAUSE,
    MAX_CLOSED_INVITATIONS,
    MAX_MEMBERS,
    UNVERIFIED_POLICY,
    VERIFIED_POLICY,
    CompanyTeam,
    InvitationPolicy,
    TeamMember,
    found_team,
    invitation_policy,
)

NOW = datetime(2027, 1, 1, tzinfo=UTC)
COMPANY = "cmp_01JD0000000000000000000000"
FOUNDER = "usr_founder"
PEOPLE = [FOUNDER, "usr_1", "usr_2", "usr_3"]
POLICY = InvitationPolicy(max_open=3, max_sent_per_day=6)

people = st.sampled_from(PEOPLE)
roles = st.sampled_from(MemberRole)


def a_team(*more: TeamMember) -> CompanyTeam:
    return replace(
        found_team(COMPANY, FOUNDER, "OWNER"), members=(TeamMember(FOUNDER, MemberRole.OWNER), *more)
    )


def an_invitation(address: str = "grace@acme.test", at: datetime = NOW) -> Invitation:
    return Invitation(
        id=new_id("inv"),
        email=address,
        email_key=address,
        role=MemberRole.VIEWER,
        secret_digest=address.encode(),
        inviter_id=FOUNDER,
        send_times=(at,),
        expire_time=at + INVITATION_LIFE,
    )


def refused(failure: pytest.ExceptionInfo[DomainError]) -> str:
    return failure.value.reason


def test_a_company_without_a_stored_team_is_its_founder_alone() -> None:
    team = found_team(COMPANY, FOUNDER, "OWNER")
    assert team.members == (TeamMember(FOUNDER, MemberRole.OWNER),)
    with pytest.raises(DomainError) as failure:
        found_team(COMPANY, FOUNDER, "RECRUITER")
    assert refused(failure) == "PERMISSION_DENIED"


@pytest.mark.parametrize("action", TeamAction)
@pytest.mark.parametrize("role", MemberRole)
def test_a_role_has_the_rights_of_the_table(role: MemberRole, action: TeamAction) -> None:
    team = a_team(TeamMember("usr_1", role))
    if role in TEAM_RIGHTS[action]:
        team.check_right("usr_1", action)
        return
    with pytest.raises(DomainError) as failure:
        team.check_right("usr_1", action)
    assert refused(failure) == "PERMISSION_DENIED"


def test_nobody_but_owners_invites_manages_or_verifies() -> None:
    for action in (TeamAction.MANAGE_INVITATIONS, TeamAction.MANAGE_MEMBERS, TeamAction.VERIFY_COMPANY):
        assert TEAM_RIGHTS[action] == {MemberRole.OWNER}


@pytest.mark.parametrize("action", TeamAction)
def test_a_person_who_is_no_member_may_nothing(action: TeamAction) -> None:
    with pytest.raises(DomainError) as failure:
        a_team().check_right("usr_1", action)
    assert refused(failure) == "PERMISSION_DENIED"


def test_the_last_owner_cannot_leave_or_become_less() -> None:
    team = a_team(TeamMember("usr_1", MemberRole.RECRUITER))
    with pytest.raises(DomainError) as failure:
        team.without_member(FOUNDER)
    assert refused(failure) == "LAST_OWNER"
    with pytest.raises(DomainError) as failure:
        team.with_role(FOUNDER, MemberRole.VIEWER)
    assert refused(failure) == "LAST_OWNER"


def test_the_ownership_is_handed_over_in_one_step() -> None:
    team = a_team(TeamMember("usr_1", MemberRole.VIEWER)).with_transferred_ownership(FOUNDER, "usr_1")
    assert {member.user_id: member.role for member in team.members} == {
        FOUNDER: MemberRole.RECRUITER,
        "usr_1": MemberRole.OWNER,
    }
    assert team.with_transferred_ownership("usr_1", "usr_1") == team
    with pytest.raises(DomainError) as failure:
        team.with_transferred_ownership("usr_1", "usr_nobody")
    assert refused(failure) == "MEMBER_NOT_FOUND"


def test_a_team_has_a_largest_size_and_nobody_twice() -> None:
    full = a_team(*(TeamMember(f"usr_{n}", MemberRole.VIEWER) for n in range(MAX_MEMBERS - 1)))
    with pytest.raises(DomainError) as failure:
        full.with_member(TeamMember("usr_more", MemberRole.VIEWER))
    assert refused(failure) == "COMPANY_LIMIT_REACHED"
    with pytest.raises(DomainError) as failure:
        full.with_member(TeamMember("usr_1", MemberRole.OWNER))
    assert refused(failure) == "ALREADY_IN_COMPANY"


def test_one_address_has_one_open_invitation() -> None:
    team = a_team().with_new_invitation(an_invitation(), POLICY, NOW)
    with pytest.raises(DomainError) as failure:
        team.with_new_invitation(an_invitation(), POLICY, NOW)
    assert refused(failure) == "ALREADY_INVITED"
    later = NOW + INVITATION_LIFE
    again = team.with_new_invitation(an_invitation(at=later), POLICY, later)
    assert [each.state for each in again.invitations] == [InvitationState.EXPIRED, InvitationState.SENT]


def test_a_person_who_has_declined_is_left_in_peace_for_a_month() -> None:
    invitation = an_invitation()
    team = a_team().with_new_invitation(invitation, POLICY, NOW).with_invitation(invitation.decline(NOW))
    with pytest.raises(DomainError) as failure:
        team.with_new_invitation(an_invitation(), POLICY, NOW + DECLINE_PAUSE - timedelta(seconds=5))
    assert (refused(failure), failure.value.retry_after_s) == ("RATE_LIMITED", 5)
    later = NOW + DECLINE_PAUSE
    team.with_new_invitation(an_invitation(at=later), POLICY, later)


def test_invitations_are_bounded_at_once_and_in_a_day() -> None:
    team = a_team()
    for number in range(POLICY.max_open):
        team = team.with_new_invitation(an_invitation(f"{number}@acme.test"), POLICY, NOW)
    with pytest.raises(DomainError) as failure:
        team.with_new_invitation(an_invitation("more@acme.test"), POLICY, NOW)
    assert refused(failure) == "COMPANY_LIMIT_REACHED"
    for number in range(POLICY.max_open, POLICY.max_sent_per_day):
        first_open = next(each for each in team.invitations if each.is_open(NOW))
        team = team.with_invitation(first_open.revoke(NOW))
        team = team.with_new_invitation(an_invitation(f"{number}@acme.test"), POLICY, NOW)
    team = team.with_invitation(next(each for each in team.invitations if each.is_open(NOW)).revoke(NOW))
    with pytest.raises(DomainError) as failure:
        team.with_new_invitation(an_invitation("more@acme.test"), POLICY, NOW)
    assert (refused(failure), failure.value.retry_after_s) == ("RATE_LIMITED", 86_400)
    tomorrow = NOW + timedelta(days=1)
    team.with_new_invitation(an_invitation("more@acme.test", tomorrow), POLICY, tomorrow)


def test_a_company_that_is_not_verified_sends_few_invitations() -> None:
    assert invitation_policy(CompanyState.VERIFIED) == VERIFIED_POLICY
    for state in set(CompanyState) - {CompanyState.VERIFIED}:
        assert invitation_policy(state) == UNVERIFIED_POLICY
    assert UNVERIFIED_POLICY.max_open < VERIFIED_POLICY.max_open


def test_invitations_that_ended_long_ago_are_forgotten() -> None:
    invitation = an_invitation()
    team = a_team().with_new_invitation(invitation, POLICY, NOW).with_invitation(invitation.revoke(NOW))
    end = NOW + CLOSED_INVITATION_LIFE
    assert team.list_invitations(end - timedelta(seconds=1))
    assert team.list_invitations(end) == []
    many = replace(team, invitations=tuple(an_invitation(f"{n}@a.test").revoke(NOW) for n in range(150)))
    assert len(many.list_invitations(NOW)) == MAX_CLOSED_INVITATIONS


class ATeamOverYears(RuleBasedStateMachine):
    """Members join, change and leave, in any order."""

    @initialize()
    def found(self) -> None:
        self.team = a_team()

    def attempt(self, after: CompanyTeam | None) -> None:
        if after is not None:
            self.team = after

    @rule(user=people, role=roles)
    def join(self, user: str, role: MemberRole) -> None:
        try:
            self.attempt(self.team.with_member(TeamMember(user, role)))
        except DomainError as error:
            assert error.reason == "ALREADY_IN_COMPANY"
            assert self.team.find_member(user)

    @rule(user=people)
    def leave(self, user: str) -> None:
        try:
            self.attempt(self.team.without_member(user))
        except DomainError as error:
            assert error.reason in ("LAST_OWNER", "MEMBER_NOT_FOUND")
        else:
            assert self.team.find_member(user) is None

    @rule(user=people, role=roles)
    def change(self, user: str, role: MemberRole) -> None:
        try:
            self.attempt(self.team.with_role(user, role))
        except DomainError as error:
            assert error.reason in ("LAST_OWNER", "MEMBER_NOT_FOUND")
        else:
            assert self.team.member(user).role is role

    @rule(one=people, other=people)
    def transfer(self, one: str, other: str) -> None:
        try:
            self.team.check_right(one, TeamAction.MANAGE_MEMBERS)
            self.attempt(self.team.with_transferred_ownership(one, other))
        except DomainError as error:
            assert error.reason in ("PERMISSION_DENIED", "MEMBER_NOT_FOUND")

    @invariant()
    def there_is_an_owner_and_nobody_twice(self) -> None:
        if hasattr(self, "team"):
            ids = [member.user_id for member in self.team.members]
            assert len(ids) == len(set(ids))
            assert any(member.role is MemberRole.OWNER for member in self.team.members)


TestATeamOverYears = ATeamOverYears.TestCase
TestATeamOverYears.settings = settings(max_examples=100, stateful_step_count=30, deadline=None)
