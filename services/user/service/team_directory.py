"""Reads that the use cases of a company's people share: the caller's team, and people's names."""

from collections.abc import Callable, Iterable

from chassis.aggregates import AggregateChange
from chassis.call_context import Principal
from chassis.errors import DomainError
from services.user.domain.company import Company, CompanyState
from services.user.domain.roles import TeamAction
from services.user.domain.team import CompanyTeam, MemberCard, TeamMember, found_team
from services.user.domain.team_events import TeamNames
from services.user.repository import CompanyRepository, CompanyTeamRepository, ProfileRepository

DecideTeam = Callable[[CompanyTeam], AggregateChange[CompanyTeam] | None]
"""Returns the change of a team whose version is the next one already, or None."""


class TeamDirectory:
    """Companies' teams with the names of companies and people."""

    def __init__(
        self, teams: CompanyTeamRepository, companies: CompanyRepository, profiles: ProfileRepository
    ) -> None:
        self.teams = teams
        self._companies = companies
        self._profiles = profiles

    async def get_team(self, principal: Principal, action: TeamAction) -> CompanyTeam:
        """Return the caller's team. Raises COMPANY_NOT_FOUND, PERMISSION_DENIED."""
        company_id = require_company(principal)
        team = await self.teams.get(company_id) or found_team(company_id, principal.id, principal.role)
        team.check_right(principal.id, action)
        return team

    async def update_team(self, principal: Principal, action: TeamAction, decide: DecideTeam) -> CompanyTeam:
        """Change the caller's team. Raises COMPANY_NOT_FOUND, PERMISSION_DENIED, and what `decide` raises."""
        company_id = require_company(principal)

        def decide_if_allowed(found: CompanyTeam | None) -> AggregateChange[CompanyTeam] | None:
            team = found or found_team(company_id, principal.id, principal.role)
            team.check_right(principal.id, action)
            return decide(team)

        team = await self.teams.upsert(company_id, decide_if_allowed)
        return team or found_team(company_id, principal.id, principal.role)

    async def get_company(self, company_id: str) -> Company:
        """Return a company; an empty one until its registration has been received."""
        return await self._companies.get(company_id) or Company(company_id)

    async def get_active_company(self, company_id: str) -> Company:
        """Return a company. Raises COMPANY_SUSPENDED."""
        company = await self.get_company(company_id)
        if company.state is CompanyState.SUSPENDED:
            raise DomainError("COMPANY_SUSPENDED", f"The company {company.name} is suspended.")
        return company

    async def get_names(self, company: Company, user_ids: Iterable[str]) -> TeamNames:
        """Return the names for events; those of people who cannot be read now are empty."""
        profiles = await self._profiles.get_each(dict.fromkeys(user_ids))
        return TeamNames(company.name, {profile.id: profile.name for profile in profiles.items})

    async def get_cards(self, members: Iterable[TeamMember]) -> list[MemberCard]:
        """Return members as colleagues see them, in the given order."""
        listed = list(members)
        profiles = await self._profiles.get_each(member.user_id for member in listed)
        known = {profile.id: profile for profile in profiles.items}
        return [
            MemberCard(member, known[member.user_id].name, known[member.user_id].email)
            if member.user_id in known
            else MemberCard(member)
            for member in listed
        ]


def require_company(principal: Principal) -> str:
    """Return the caller's company. Raises COMPANY_NOT_FOUND."""
    if not principal.org:
        raise DomainError("COMPANY_NOT_FOUND", "This account belongs to no company.")
    return principal.org
