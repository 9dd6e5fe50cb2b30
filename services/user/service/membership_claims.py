"""The use case that keeps a person from belonging to two companies at once.

A team is in its company's slot, a profile in its user's: no transaction spans both. So a person who joins
first claims the company in the profile, then becomes a member of the team, and then the claim is confirmed.
A claim that no membership followed is released when the person tries to join again. Events of the team
confirm and release as well, in case the call was interrupted.
"""

from collections.abc import Callable

from chassis.aggregates import AggregateChange
from chassis.clock import Clock
from chassis.errors import unavailable
from chassis.messaging import IncomingEvent
from services.user.domain import Profile
from services.user.repository import CompanyTeamRepository, ProfileRepository


class MembershipClaims:
    """Claims of companies in people's profiles."""

    def __init__(self, profiles: ProfileRepository, teams: CompanyTeamRepository, clock: Clock) -> None:
        self._profiles = profiles
        self._teams = teams
        self._clock = clock

    async def get_profile(self, user_id: str) -> Profile:
        """Return a person's profile. Raises UNAVAILABLE until the registration has been received."""
        profile = await self._profiles.get(user_id)
        if profile is None or profile.account_version is None:
            raise unavailable("your profile")
        return profile

    async def claim(self, profile: Profile, company_id: str) -> int:
        """Claim a company for a person, and return the number of the membership that begins.

        A repeat returns the same number. Raises ALREADY_IN_COMPANY.
        """
        await self._release_outdated(profile, company_id)

        def decide(found: Profile) -> AggregateChange[Profile] | None:
            return self._next_version(found, found.with_company_claim(company_id, self._clock.now()))

        claimed = await self._profiles.update(profile.id, decide)
        return claimed.membership_number

    async def confirm(
        self, user_id: str, company_id: str, number: int, handling: IncomingEvent | None = None
    ) -> None:
        """Confirm a claim that has become a membership; any other profile stays as it is."""
        await self._change(
            user_id, lambda found: found.with_confirmed_membership(company_id, number), handling
        )

    async def release(
        self, user_id: str, company_id: str, number: int, handling: IncomingEvent | None = None
    ) -> None:
        """Release the company of a membership that has ended, or has not begun."""
        await self._change(user_id, lambda found: found.without_membership(company_id, number), handling)

    async def _release_outdated(self, profile: Profile, company_id: str) -> None:
        """Release a claim without a membership, unless its call may still be under way."""
        may_be_outdated = (
            profile.has_stale_claim(self._clock.now())
            if profile.claim_time is not None
            else profile.company_id == company_id
        )
        if not profile.company_id or not may_be_outdated:
            return
        team = await self._teams.get(profile.company_id)
        if team is not None and team.find_member(profile.id) is None:
            await self.release(profile.id, profile.company_id, profile.membership_number)

    async def _change(
        self, user_id: str, change: Callable[[Profile], Profile], handling: IncomingEvent | None
    ) -> None:
        def decide(found: Profile | None) -> AggregateChange[Profile] | None:
            return self._next_version(found, change(found)) if found else None

        await self._profiles.upsert(user_id, decide, handling=handling)

    def _next_version(self, before: Profile, after: Profile) -> AggregateChange[Profile] | None:
        if after == before:
            return None
        return AggregateChange(after.with_next_version(self._clock.now()))
