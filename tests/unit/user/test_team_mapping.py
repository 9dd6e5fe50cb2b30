"""Teams, invitations and verification as messages."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from internshipconnect.common.v1 import common_pb2 as common
from internshipconnect.events.v1 import events_pb2 as events
from internshipconnect.user.v1 import companies_pb2 as pb
from internshipconnect.user.v1 import user_pb2 as user
from services.user.domain.company import Company, VerificationMethod
from services.user.domain.invitations import INVITATION_LIFE, Invitation, InvitationSecret, InvitationState
from services.user.domain.roles import MemberRole
from services.user.domain.team import CompanyTeam, MemberCard, TeamMember
from services.user.domain.team_events import (
    MembershipStep,
    TeamNames,
    invitation_sent,
    membership_changed,
)
from services.user.domain.verification import new_verification, request_verification
from services.user.team_mapping import (
    invitation_message,
    member_message,
    method_from_number,
    role_from_number,
    team_event_message,
    verification_message,
)

NOW = datetime(2027, 1, 1, tzinfo=UTC)
COMPANY = "cmp_01JD0000000000000000000000"
SECRET = InvitationSecret.new(COMPANY)
INVITATION = Invitation(
    id="inv_1",
    email="Grace@acme.test",
    email_key="grace@acme.test",
    role=MemberRole.HIRING_MANAGER,
    secret_digest=SECRET.digest,
    inviter_id="usr_1",
    send_times=(NOW,),
    expire_time=NOW + INVITATION_LIFE,
)
NAMES = TeamNames("Acme", {"usr_1": "Ada"})


@pytest.mark.parametrize("role", MemberRole)
def test_every_role_is_read_and_shown(role: MemberRole) -> None:
    number = common.CompanyRole.Value(f"COMPANY_ROLE_{role}")
    assert role_from_number(number) is role
    assert member_message(MemberCard(TeamMember("usr_1", role))).role == number


@pytest.mark.parametrize("method", VerificationMethod)
def test_every_way_of_a_proof_is_read(method: VerificationMethod) -> None:
    assert method_from_number(pb.VerificationMethod.Value(f"VERIFICATION_METHOD_{method}")) is method


@pytest.mark.parametrize("state", InvitationState)
def test_every_state_of_an_invitation_is_shown(state: InvitationState) -> None:
    shown = invitation_message(replace(INVITATION, state=state), NOW)
    assert shown.state == pb.InvitationState.Value(f"INVITATION_STATE_{state}")
    assert "secret" not in {field.name for field in shown.DESCRIPTOR.fields}


def test_an_invitation_whose_time_is_over_is_shown_as_expired() -> None:
    shown = invitation_message(INVITATION, NOW + INVITATION_LIFE)
    assert shown.state == pb.INVITATION_STATE_EXPIRED


@pytest.mark.parametrize("step", MembershipStep)
def test_every_step_of_a_membership_is_an_event(step: MembershipStep) -> None:
    member = TeamMember("usr_1", MemberRole.VIEWER, 3)
    team = CompanyTeam(COMPANY, (member,), version=7)
    message = team_event_message(membership_changed(team, member, step, "usr_2", NAMES))
    assert isinstance(message, events.CompanyMembershipChanged)
    has_ended = step in (MembershipStep.REMOVED, MembershipStep.LEFT)
    assert message.role == (common.COMPANY_ROLE_UNSPECIFIED if has_ended else common.COMPANY_ROLE_VIEWER)
    assert message.change == pb.MembershipChange.Value(f"MEMBERSHIP_CHANGE_{step}")
    assert (message.membership_number, message.team_version, message.member_name) == (3, 7, "Ada")


def test_the_event_of_an_invitation_has_the_secret_of_its_link() -> None:
    message = team_event_message(invitation_sent(INVITATION, SECRET, NAMES, "de"))
    assert isinstance(message, events.CompanyInvitationSent)
    assert InvitationSecret.parse(message.invitation_token) == SECRET
    assert (message.company_id, message.inviter_name, message.locale) == (COMPANY, "Ada", "de")


def test_only_a_proof_by_dns_names_a_record() -> None:
    for method in VerificationMethod:
        request = new_verification("acme.com", method, NOW)
        message = verification_message(request_verification(Company(COMPANY), request, NOW))
        assert (message.state, message.domain) == (user.COMPANY_STATE_PENDING, "acme.com")
        assert bool(message.dns_name and message.dns_text) == (method is VerificationMethod.DNS)
    assert verification_message(Company(COMPANY)) == pb.CompanyVerification(
        state=user.COMPANY_STATE_UNVERIFIED
    )
