"""The use cases of companies' people, made from what they share."""

from dataclasses import dataclass

from chassis.clock import Clock
from services.user.repository import CompanyRepository, CompanyTeamRepository, ProfileRepository
from services.user.service.manage_invitations import ManageInvitations
from services.user.service.manage_members import ManageMembers
from services.user.service.membership_claims import MembershipClaims
from services.user.service.team_directory import TeamDirectory
from services.user.service.verify_company import VerificationAdapters, VerifyCompany


@dataclass(frozen=True)
class TeamUseCases:
    """One instance of each use case."""

    members: ManageMembers
    invitations: ManageInvitations
    verification: VerifyCompany
    claims: MembershipClaims
    clock: Clock


def build_team_use_cases(
    teams: CompanyTeamRepository,
    companies: CompanyRepository,
    profiles: ProfileRepository,
    adapters: VerificationAdapters,
    clock: Clock,
) -> TeamUseCases:
    """Return the use cases on these repositories and adapters."""
    directory = TeamDirectory(teams, companies, profiles)
    claims = MembershipClaims(profiles, teams, clock)
    return TeamUseCases(
        members=ManageMembers(directory, claims),
        invitations=ManageInvitations(directory, claims, clock),
        verification=VerifyCompany(directory, companies, claims, adapters, clock),
        claims=claims,
        clock=clock,
    )
