"""A company's team: its members and its invitations, changed as a whole.

This service owns the truth of who belongs to a company, and as what. Auth keeps a copy for the claims of
access tokens, the notification service one of recipients; both follow the events of `team_events.py`, by
membership number and then by team version.

A company without a stored team is its founder alone: every other membership begins with a change that stores
the team.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from chassis.errors import DomainError, domain_error, not_found, permission_denied
from services.user.domain.company import Company, CompanyState
from services.user.domain.invitations import Invitation, InvitationState, invitation_not_found
from services.user.domain.roles import TEAM_RIGHTS, MemberRole, TeamAction

MAX_MEMBERS: Final = 200
MAX_CLOSED_INVITATIONS: Final = 100
CLOSED_INVITATION_LIFE: Final = timedelta(days=90)
DECLINE_PAUSE: Final = timedelta(days=30)
"""For so long a company does not invite an address again whose owner has declined."""
_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class InvitationPolicy:
    """How many invitations of a company are open at once, and how many mails it sends in a day."""

    max_open: int
    max_sent_per_day: int


VERIFIED_POLICY: Final = InvitationPolicy(max_open=50, max_sent_per_day=100)
UNVERIFIED_POLICY: Final = InvitationPolicy(max_open=5, max_sent_per_day=10)
"""The words in the mails are the company's: a company that nobody knows sends few."""


def invitation_policy(state: CompanyState) -> InvitationPolicy:
    """Return the policy for a company in this state."""
    return VERIFIED_POLICY if state is CompanyState.VERIFIED else UNVERIFIED_POLICY


@dataclass(frozen=True, slots=True)
class TeamMember:
    """A member. `membership_number` counts the person's memberships, from 0 for that of the registration."""

    user_id: str
    role: MemberRole
    membership_number: int = 0
    join_time: datetime | None = None


@dataclass(frozen=True, slots=True)
class MemberCard:
    """A member as colleagues see them; `name` and `email` are empty while they cannot be read."""

    member: TeamMember
    name: str = ""
    email: str = ""


@dataclass(frozen=True, slots=True)
class InvitationOffer:
    """An invitation as the invited person sees it."""

    invitation: Invitation
    company: Company
    inviter_name: str


@dataclass(frozen=True, slots=True)
class CompanyTeam:
    """The people of a company, by its ID. Version 0 has not been stored yet."""

    id: str
    members: tuple[TeamMember, ...]
    invitations: tuple[Invitation, ...] = ()
    version: int = 0

    # --- members

    def find_member(self, user_id: str) -> TeamMember | None:
        """Return the member with this ID, or None."""
        return next((member for member in self.members if member.user_id == user_id), None)

    def member(self, user_id: str) -> TeamMember:
        """Return the member with this ID. Raises MEMBER_NOT_FOUND."""
        found = self.find_member(user_id)
        if found is None:
            raise not_found("MEMBER_NOT_FOUND", "member", user_id)
        return found

    def check_right(self, user_id: str, action: TeamAction) -> None:
        """Raise PERMISSION_DENIED unless the person is a member whose role has the right.

        Access tokens may be older than the last change of the team.
        """
        found = self.find_member(user_id)
        if found is None:
            raise not_a_member()
        if found.role not in TEAM_RIGHTS[action]:
            raise permission_denied(f"The role {found.role} does not include this.")

    def with_member(self, member: TeamMember) -> "CompanyTeam":
        """Return the team with one more member. Raises ALREADY_IN_COMPANY, COMPANY_LIMIT_REACHED."""
        if self.find_member(member.user_id) is not None:
            raise domain_error("ALREADY_IN_COMPANY", "This account belongs to this company already.")
        if len(self.members) >= MAX_MEMBERS:
            raise domain_error("COMPANY_LIMIT_REACHED", f"A company has at most {MAX_MEMBERS} members.")
        return replace(self, members=(*self.members, member))

    def with_role(self, user_id: str, role: MemberRole) -> "CompanyTeam":
        """Return the team with a member's other role. Raises MEMBER_NOT_FOUND, LAST_OWNER."""
        changed = replace(self.member(user_id), role=role)
        return self._with_members(lambda each: changed if each.user_id == user_id else each)

    def without_member(self, user_id: str) -> "CompanyTeam":
        """Return the team without a member. Raises MEMBER_NOT_FOUND, LAST_OWNER."""
        self.member(user_id)
        return self._with_members(lambda each: None if each.user_id == user_id else each)

    def without_erased(self, user_id: str, email_key: str = "") -> "CompanyTeam":
        """Return the team without a person whose account is gone, even if no owner is left.

        Invitations of the person's address go, too; `email_key` is how addresses are compared.
        """
        return replace(
            self,
            members=tuple(each for each in self.members if each.user_id != user_id),
            invitations=tuple(each for each in self.invitations if each.email_key != email_key),
        )

    @property
    def has_owner(self) -> bool:
        """Whether the company has an owner."""
        return any(member.role is MemberRole.OWNER for member in self.members)

    def with_transferred_ownership(self, from_user_id: str, to_user_id: str) -> "CompanyTeam":
        """Return the team in which the one is a recruiter and the other an owner. Raises MEMBER_NOT_FOUND."""
        if from_user_id == to_user_id:
            return self
        roles = {from_user_id: MemberRole.RECRUITER, to_user_id: MemberRole.OWNER}
        for user_id in roles:
            self.member(user_id)
        return self._with_members(lambda each: replace(each, role=roles.get(each.user_id, each.role)))

    def _with_members(self, change: Callable[[TeamMember], TeamMember | None]) -> "CompanyTeam":
        changed = [change(member) for member in self.members]
        members = tuple(member for member in changed if member is not None)
        changed_team = replace(self, members=members)
        if not changed_team.has_owner:
            raise domain_error("LAST_OWNER", "The company has no other owner.")
        return changed_team

    # --- invitations

    def has_invitation(self, invitation_id: str) -> bool:
        """Return whether there is an invitation with this ID."""
        return any(each.id == invitation_id for each in self.invitations)

    def invitation(self, invitation_id: str) -> Invitation:
        """Return the invitation with this ID. Raises INVITATION_NOT_FOUND."""
        found = next((each for each in self.invitations if each.id == invitation_id), None)
        if found is None:
            raise invitation_not_found()
        return found

    def invitation_by_secret(self, secret_digest: bytes) -> Invitation:
        """Return the invitation whose link has this secret. Raises INVITATION_NOT_FOUND."""
        found = next((each for each in self.invitations if each.secret_digest == secret_digest), None)
        if found is None:
            raise invitation_not_found()
        return found

    def with_new_invitation(
        self, invitation: Invitation, policy: InvitationPolicy, now: datetime
    ) -> "CompanyTeam":
        """Return the team with one more invitation.

        Raises ALREADY_INVITED, COMPANY_LIMIT_REACHED; RATE_LIMITED when too many were sent, or the person has
        declined lately.
        """
        tidied = self._tidied(now)
        same_address = [each for each in tidied.invitations if each.email_key == invitation.email_key]
        if any(each.is_open(now) for each in same_address):
            raise domain_error("ALREADY_INVITED", "This address has an open invitation.")
        _check_not_declined(same_address, now)
        tidied.check_may_send(policy, now, is_new=True)
        return replace(tidied, invitations=(*tidied.invitations, invitation))

    def check_may_send(self, policy: InvitationPolicy, now: datetime, *, is_new: bool) -> None:
        """Raise COMPANY_LIMIT_REACHED or RATE_LIMITED when the company may not send another invitation."""
        count = sum(each.is_open(now) for each in self.invitations)
        if is_new and count >= policy.max_open:
            raise domain_error(
                "COMPANY_LIMIT_REACHED",
                f"At most {policy.max_open} invitations are open at once in the company's state.",
            )
        sent = sorted(time for each in self.invitations for time in each.send_times if now - time < _DAY)
        if len(sent) >= policy.max_sent_per_day:
            wait = sent[-policy.max_sent_per_day] + _DAY - now
            raise DomainError(
                "RATE_LIMITED",
                f"The company may send {policy.max_sent_per_day} invitations in a day.",
                retry_after_s=max(1.0, wait.total_seconds()),
            )

    def with_invitation(self, changed: Invitation) -> "CompanyTeam":
        """Return the team with a changed invitation."""
        return replace(
            self,
            invitations=tuple(changed if each.id == changed.id else each for each in self.invitations),
        )

    def with_accepted_invitation(
        self, invitation: Invitation, member: TeamMember, email_key: str, now: datetime
    ) -> "CompanyTeam":
        """Return the team whose new member has accepted. Raises as `Invitation.accept` and `with_member`."""
        accepted = invitation.accept(member.user_id, email_key, now)
        return self.with_invitation(accepted).with_member(member)

    def list_invitations(self, now: datetime) -> list[Invitation]:
        """Return the invitations as they are at a time, the newest first."""
        known = self._tidied(now).invitations
        return sorted(known, key=lambda each: (each.create_time, each.id), reverse=True)

    def with_next_version(self) -> "CompanyTeam":
        """Return the next version."""
        return replace(self, version=self.version + 1)

    def _tidied(self, now: datetime) -> "CompanyTeam":
        """Return the team with expired invitations marked, and without those that ended long ago."""
        expired = [each.expire(now) for each in self.invitations]
        closed = [each for each in expired if each.close_time is not None]
        lasting = {
            each.id
            for each in closed[-MAX_CLOSED_INVITATIONS:]
            if each.close_time is not None and now - each.close_time < CLOSED_INVITATION_LIFE
        }
        return replace(
            self,
            invitations=tuple(each for each in expired if each.close_time is None or each.id in lasting),
        )


def found_team(company_id: str, user_id: str, role: str) -> CompanyTeam:
    """Return the team of a company of which none is stored: its founder, who is the caller.

    Raises PERMISSION_DENIED for a caller whose token does not say that they own it.
    """
    if role != MemberRole.OWNER:
        raise not_a_member()
    return CompanyTeam(company_id, (TeamMember(user_id, MemberRole.OWNER),))


def not_a_member() -> DomainError:
    """Return the error for a caller whose membership has ended, or not begun."""
    return permission_denied("You are not a member of this company.")


def _check_not_declined(same_address: list[Invitation], now: datetime) -> None:
    for each in same_address:
        if each.state is InvitationState.DECLINED and each.close_time is not None:
            wait = each.close_time + DECLINE_PAUSE - now
            if wait > timedelta():
                raise DomainError(
                    "RATE_LIMITED",
                    "The person has declined your invitation lately.",
                    retry_after_s=max(1.0, wait.total_seconds()),
                )
