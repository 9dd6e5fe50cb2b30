"""The events of a company's team, by which auth and the notification service follow it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from services.user.domain.invitations import Invitation, InvitationSecret
from services.user.domain.roles import MemberRole
from services.user.domain.team import CompanyTeam, TeamMember


class MembershipStep(StrEnum):
    """A step in a person's membership."""

    JOINED = "JOINED"
    ROLE_CHANGED = "ROLE_CHANGED"
    REMOVED = "REMOVED"
    LEFT = "LEFT"


@dataclass(frozen=True, slots=True)
class TeamNames:
    """The names that events tell: of the company, and of people by user ID; unknown ones are empty."""

    company: str
    people: Mapping[str, str]

    def of(self, user_id: str) -> str:
        """Return a person's name, "" when it is not known."""
        return self.people.get(user_id, "")


@dataclass(frozen=True, slots=True)
class MembershipWasChanged:
    """Somebody joined or left a company, or has another role; `role` is None after the end.

    Events of one person are in the order of `membership_number`, then of `team_version`.
    """

    company_id: str
    company_name: str
    user_id: str
    member_name: str
    role: MemberRole | None
    step: MembershipStep
    actor_id: str
    membership_number: int
    team_version: int


@dataclass(frozen=True, slots=True)
class InvitationWasSent:
    """The mail of an invitation has to be sent; `secret` is not stored elsewhere."""

    invitation: Invitation
    secret: InvitationSecret
    company_name: str
    inviter_name: str
    expire_time: datetime
    locale: str


@dataclass(frozen=True, slots=True)
class OwnershipWasTransferred:
    """An owner has made another member an owner instead."""

    company_id: str
    company_name: str
    from_user_id: str
    from_name: str
    to_user_id: str
    to_name: str


TeamEvent = MembershipWasChanged | InvitationWasSent | OwnershipWasTransferred


def membership_changed(
    after: CompanyTeam, member: TeamMember, step: MembershipStep, actor_id: str, names: TeamNames
) -> MembershipWasChanged:
    """Return the event of a step of `member`, as the person is or was in the team."""
    has_ended = step in (MembershipStep.REMOVED, MembershipStep.LEFT)
    return MembershipWasChanged(
        company_id=after.id,
        company_name=names.company,
        user_id=member.user_id,
        member_name=names.of(member.user_id),
        role=None if has_ended else member.role,
        step=step,
        actor_id=actor_id,
        membership_number=member.membership_number,
        team_version=after.version,
    )


def invitation_sent(
    invitation: Invitation, secret: InvitationSecret, names: TeamNames, locale: str
) -> InvitationWasSent:
    """Return the event that an invitation's mail has to be sent."""
    return InvitationWasSent(
        invitation=invitation,
        secret=secret,
        company_name=names.company,
        inviter_name=names.of(invitation.inviter_id),
        expire_time=invitation.expire_time,
        locale=locale,
    )


def ownership_transferred(
    team: CompanyTeam, from_user_id: str, to_user_id: str, names: TeamNames
) -> OwnershipWasTransferred:
    """Return the event of a transfer."""
    return OwnershipWasTransferred(
        company_id=team.id,
        company_name=names.company,
        from_user_id=from_user_id,
        from_name=names.of(from_user_id),
        to_user_id=to_user_id,
        to_name=names.of(to_user_id),
    )
