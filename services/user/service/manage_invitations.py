"""The use cases of invitations to a company, of those who invite and of those who are invited."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime

from chassis.aggregates import AggregateChange
from chassis.call_context import Principal, current_operation
from chassis.clock import Clock
from chassis.errors import UNAVAILABLE_REASONS, DomainError, domain_error
from chassis.ids import new_id, slot_of
from chassis.text import parse_email_address
from services.user.domain import Profile, ProfileKind
from services.user.domain.invitations import (
    INVITATION_LIFE,
    Invitation,
    InvitationSecret,
    InvitationState,
    invitation_not_found,
)
from services.user.domain.roles import MemberRole, TeamAction
from services.user.domain.team import (
    CompanyTeam,
    InvitationOffer,
    MemberCard,
    TeamMember,
    invitation_policy,
)
from services.user.domain.team_events import MembershipStep, TeamNames, invitation_sent, membership_changed
from services.user.service.membership_claims import MembershipClaims
from services.user.service.team_directory import TeamDirectory, require_company


class ManageInvitations:
    """Invites, and answers invitations."""

    def __init__(self, directory: TeamDirectory, claims: MembershipClaims, clock: Clock) -> None:
        self._directory = directory
        self._claims = claims
        self._clock = clock

    # --- those who invite

    async def invite(self, principal: Principal, email: str, role: MemberRole, locale: str) -> Invitation:
        """Invite an address, whether or not it has an account, and have the mail sent.

        Raises COMPANY_SUSPENDED, ALREADY_INVITED, ALREADY_MEMBER, COMPANY_LIMIT_REACHED, RATE_LIMITED.
        """
        company = await self._directory.get_active_company(require_company(principal))
        names = await self._directory.get_names(company, [principal.id])
        address, now = parse_email_address(email), self._clock.now()
        await self._check_not_member(principal, address.key)
        secret = InvitationSecret.new(company.id)
        invitation = Invitation(
            id=_new_invitation_id(company.id, now),
            email=address.display,
            email_key=address.key,
            role=role,
            secret_digest=secret.digest,
            inviter_id=principal.id,
            send_times=(now,),
            expire_time=now + INVITATION_LIFE,
        )

        def decide(team: CompanyTeam) -> AggregateChange[CompanyTeam] | None:
            if team.has_invitation(invitation.id):
                return None  # an earlier run of this operation has invited, and its answer was lost
            after = team.with_new_invitation(invitation, invitation_policy(company.state), now)
            sent = invitation_sent(invitation, secret, names, locale)
            return AggregateChange(after.with_next_version(), (sent,))

        team = await self._directory.update_team(principal, TeamAction.MANAGE_INVITATIONS, decide)
        return team.invitation(invitation.id)

    async def list_invitations(self, principal: Principal) -> list[Invitation]:
        """Return the company's invitations, the newest first."""
        team = await self._directory.get_team(principal, TeamAction.MANAGE_INVITATIONS)
        return team.list_invitations(self._clock.now())

    async def revoke(self, principal: Principal, invitation_id: str) -> Invitation:
        """Revoke an invitation. Raises INVITATION_NOT_FOUND, INVITATION_CLOSED."""

        def decide(team: CompanyTeam) -> AggregateChange[CompanyTeam] | None:
            return _invitation_change(team, team.invitation(invitation_id).revoke(self._clock.now()))

        team = await self._directory.update_team(principal, TeamAction.MANAGE_INVITATIONS, decide)
        return team.invitation(invitation_id)

    async def resend(self, principal: Principal, invitation_id: str, locale: str) -> Invitation:
        """Send an invitation again, with another secret and a new term.

        Raises COMPANY_SUSPENDED, INVITATION_NOT_FOUND, INVITATION_CLOSED, COMPANY_LIMIT_REACHED,
        RATE_LIMITED.
        """
        company = await self._directory.get_active_company(require_company(principal))
        names = await self._directory.get_names(company, [principal.id])
        secret, now = InvitationSecret.new(company.id), self._clock.now()

        def decide(team: CompanyTeam) -> AggregateChange[CompanyTeam]:
            known = team.invitation(invitation_id)
            policy = invitation_policy(company.state)
            team.check_may_send(policy, now, is_new=not known.is_open(now))
            resent = known.resend(secret.digest, now)
            after = team.with_invitation(resent).with_next_version()
            return AggregateChange(after, (invitation_sent(resent, secret, names, locale),))

        team = await self._directory.update_team(principal, TeamAction.MANAGE_INVITATIONS, decide)
        return team.invitation(invitation_id)

    # --- those who are invited

    async def look_up(self, link_text: str) -> InvitationOffer:
        """Return what the page of an invitation shows. Raises INVITATION_NOT_FOUND."""
        _, invitation, secret = await self._find(link_text)
        company = await self._directory.get_company(secret.company_id)
        names = await self._directory.get_names(company, [invitation.inviter_id])
        return InvitationOffer(invitation, company, names.of(invitation.inviter_id))

    async def decline(self, link_text: str) -> None:
        """Decline an invitation. Raises INVITATION_NOT_FOUND, INVITATION_CLOSED."""
        _, _, secret = await self._find(link_text)

        def decide(team: CompanyTeam) -> AggregateChange[CompanyTeam] | None:
            return _invitation_change(
                team, team.invitation_by_secret(secret.digest).decline(self._clock.now())
            )

        await self._directory.teams.update(secret.company_id, decide)

    async def accept(self, principal: Principal, link_text: str) -> MemberCard:
        """Join the company that invited the caller; a repeat by the same person returns the membership.

        Raises INVITATION_NOT_FOUND, INVITATION_CLOSED, INVITATION_FOR_ANOTHER_ADDRESS,
        COMPANY_ACCOUNT_NEEDED, ALREADY_IN_COMPANY, COMPANY_SUSPENDED, COMPANY_LIMIT_REACHED; UNAVAILABLE
        until the caller's registration has been received.
        """
        team, invitation, secret = await self._find(link_text)
        if (member := _member_by(team, invitation, principal.id)) is not None:
            return await self._card(member)
        profile = await self._claims.get_profile(principal.id)
        email_key = parse_email_address(profile.email).key
        invitation.check_acceptable(email_key, self._clock.now())
        if profile.kind is not ProfileKind.COMPANY:
            raise domain_error(
                "COMPANY_ACCOUNT_NEEDED", "This account is not a company account; it cannot join a company."
            )
        company = await self._directory.get_active_company(secret.company_id)
        names = await self._directory.get_names(company, [principal.id])
        async with self._claim(profile, company.id) as number:
            member = TeamMember(principal.id, invitation.role, number, self._clock.now())
            await self._join(secret, member, email_key, names)
        return await self._card(member)

    async def _join(
        self, secret: InvitationSecret, member: TeamMember, email_key: str, names: TeamNames
    ) -> None:
        now = self._clock.now()

        def decide(team: CompanyTeam) -> AggregateChange[CompanyTeam] | None:
            invitation = team.invitation_by_secret(secret.digest)
            if _member_by(team, invitation, member.user_id) is not None:
                return None
            after = team.with_accepted_invitation(invitation, member, email_key, now).with_next_version()
            inviter_id = invitation.inviter_id if team.find_member(invitation.inviter_id) else ""
            joined = membership_changed(after, member, MembershipStep.JOINED, inviter_id, names)
            return AggregateChange(after, (joined,))

        await self._directory.teams.update(secret.company_id, decide)

    @asynccontextmanager
    async def _claim(self, profile: Profile, company_id: str) -> AsyncIterator[int]:
        """Hold the claim of a company around the block that joins it.

        The claim is released when joining was refused; when nobody knows whether it took effect, the claim
        stays until the next attempt finds out.
        """
        number = await self._claims.claim(profile, company_id)
        try:
            yield number
        except DomainError as error:
            if error.reason not in UNAVAILABLE_REASONS:
                await self._release_if_not_member(profile.id, company_id, number)
            raise
        await self._claims.confirm(profile.id, company_id, number)

    async def _release_if_not_member(self, user_id: str, company_id: str, number: int) -> None:
        """Release the claim, unless another call of the same person has joined with it."""
        team = await self._directory.teams.get(company_id)
        if team is None or team.find_member(user_id) is None:
            await self._claims.release(user_id, company_id, number)

    async def _find(self, link_text: str) -> tuple[CompanyTeam, Invitation, InvitationSecret]:
        secret = InvitationSecret.parse(link_text)
        team = await self._directory.teams.get(secret.company_id)
        if team is None:
            raise invitation_not_found()
        return team, team.invitation_by_secret(secret.digest), secret

    async def _check_not_member(self, principal: Principal, email_key: str) -> None:
        team = await self._directory.get_team(principal, TeamAction.MANAGE_INVITATIONS)
        cards = await self._directory.get_cards(team.members)
        if any(card.email and parse_email_address(card.email).key == email_key for card in cards):
            raise domain_error("ALREADY_MEMBER", "The person with this address is a member already.")

    async def _card(self, member: TeamMember) -> MemberCard:
        [card] = await self._directory.get_cards([member])
        return card


def _new_invitation_id(company_id: str, now: datetime) -> str:
    """Return an ID in the company's slot, the same in each run of an operation."""
    operation = current_operation()
    if operation is None:
        return new_id("inv", slot_of(company_id), at=now)
    return new_id("inv", slot_of(company_id), at=operation.started_at, seed=operation.id.encode())


def _member_by(team: CompanyTeam, invitation: Invitation, user_id: str) -> TeamMember | None:
    """Return the member who has joined by this invitation, if that is this person."""
    is_accepted = invitation.state is InvitationState.ACCEPTED and invitation.accepted_by == user_id
    return team.find_member(user_id) if is_accepted else None


def _invitation_change(team: CompanyTeam, changed: Invitation) -> AggregateChange[CompanyTeam] | None:
    after = team.with_invitation(changed)
    return None if after == team else AggregateChange(after.with_next_version())
