"""The use cases of a company's members."""

from chassis.aggregates import AggregateChange
from chassis.call_context import Principal, current_operation
from services.user.domain.roles import MemberRole, TeamAction
from services.user.domain.team import CompanyTeam, MemberCard, TeamMember
from services.user.domain.team_events import (
    MembershipStep,
    TeamNames,
    membership_changed,
    ownership_transferred,
)
from services.user.service.membership_claims import MembershipClaims
from services.user.service.team_directory import TeamDirectory, require_company


class ManageMembers:
    """Lists members, changes their roles and ends memberships; the last owner stays one."""

    def __init__(self, directory: TeamDirectory, claims: MembershipClaims) -> None:
        self._directory = directory
        self._claims = claims

    async def list_members(self, principal: Principal) -> list[MemberCard]:
        """Return the members of the caller's company: owners first, then by the time when they joined."""
        team = await self._directory.get_team(principal, TeamAction.SEE_MEMBERS)
        owners_first = sorted(team.members, key=lambda each: each.role is not MemberRole.OWNER)
        return await self._directory.get_cards(owners_first)

    async def update_role(self, principal: Principal, user_id: str, role: MemberRole) -> MemberCard:
        """Give a member another role. Raises MEMBER_NOT_FOUND, LAST_OWNER."""
        names = await self._get_names(principal, user_id)

        def decide(team: CompanyTeam) -> AggregateChange[CompanyTeam] | None:
            if team.member(user_id).role is role:
                return None
            after = team.with_role(user_id, role).with_next_version()
            return AggregateChange(after, (_role_changed(after, user_id, principal.id, names),))

        team = await self._directory.update_team(principal, TeamAction.MANAGE_MEMBERS, decide)
        [card] = await self._directory.get_cards([team.member(user_id)])
        return card

    async def remove(self, principal: Principal, user_id: str) -> None:
        """End a member's membership. Raises MEMBER_NOT_FOUND, LAST_OWNER."""
        await self._end(principal, user_id, TeamAction.MANAGE_MEMBERS, MembershipStep.REMOVED)

    async def leave(self, principal: Principal) -> None:
        """End the caller's membership. Raises LAST_OWNER."""
        await self._end(principal, principal.id, TeamAction.LEAVE, MembershipStep.LEFT)

    async def transfer_ownership(self, principal: Principal, user_id: str) -> tuple[MemberCard, MemberCard]:
        """Make another member an owner and the caller a recruiter, in one transaction; return both.

        Raises MEMBER_NOT_FOUND.
        """
        names = await self._get_names(principal, user_id)

        def decide(team: CompanyTeam) -> AggregateChange[CompanyTeam] | None:
            after = team.with_transferred_ownership(principal.id, user_id)
            if after == team:
                return None
            after = after.with_next_version()
            changes = [_role_changed(after, each, principal.id, names) for each in (user_id, principal.id)]
            return AggregateChange(
                after, (*changes, ownership_transferred(after, principal.id, user_id, names))
            )

        team = await self._directory.update_team(principal, TeamAction.MANAGE_MEMBERS, decide)
        owner, former = await self._directory.get_cards([team.member(user_id), team.member(principal.id)])
        return owner, former

    async def _end(
        self, principal: Principal, user_id: str, action: TeamAction, step: MembershipStep
    ) -> None:
        names = await self._get_names(principal, user_id)
        operation = current_operation()
        is_replay = operation is not None and operation.is_replay
        ended: list[TeamMember] = []

        def decide(team: CompanyTeam) -> AggregateChange[CompanyTeam] | None:
            if is_replay and team.find_member(user_id) is None:
                return None  # an earlier run of this operation has removed the member
            ended[:] = [team.member(user_id)]
            after = team.without_member(user_id).with_next_version()
            return AggregateChange(after, (membership_changed(after, ended[0], step, principal.id, names),))

        team = await self._directory.update_team(principal, action, decide)
        for member in ended:
            await self._claims.release(user_id, team.id, member.membership_number)

    async def _get_names(self, principal: Principal, user_id: str) -> TeamNames:
        company = await self._directory.get_company(require_company(principal))
        return await self._directory.get_names(company, (principal.id, user_id))


def _role_changed(after: CompanyTeam, user_id: str, actor_id: str, names: TeamNames) -> object:
    return membership_changed(after, after.member(user_id), MembershipStep.ROLE_CHANGED, actor_id, names)
