"""The use cases of looks at students, and of the log that shows them to the student."""

from typing import Final

from chassis.call_context import Principal
from chassis.messaging import IncomingEvent
from services.user.domain.accesses import AccessRole, ProfileAccess, ProfileAccessKind, ProfileLook
from services.user.domain.blind_view import blind_visible_student
from services.user.domain.search import may_be_seen_by
from services.user.domain.visible_student import VisibleStudent, visible_student
from services.user.repository import ProfileAccessRepository, ProfileRepository
from services.user.service.manage_companies import ManageCompanies

ROLES: Final = frozenset(AccessRole)


class ViewStudents:
    """Shows students to members of verified companies; each look is in the student's access log."""

    def __init__(
        self,
        profiles: ProfileRepository,
        accesses: ProfileAccessRepository,
        companies: ManageCompanies,
    ) -> None:
        self._profiles = profiles
        self._accesses = accesses
        self._companies = companies

    async def open_student(self, principal: Principal, student_id: str, *, is_blind: bool) -> VisibleStudent:
        """Return a student whom the caller's company can find, once the look is in the log.

        Raises USER_NOT_FOUND for any other, COMPANY_NOT_VERIFIED or COMPANY_SUSPENDED.
        """
        company = await self._companies.require_verified(principal)
        profile = await self._profiles.get(student_id)
        if profile is None or not may_be_seen_by(profile, company.id):
            raise self._profiles.not_found(student_id)
        role = AccessRole(principal.role) if principal.role in ROLES else AccessRole.UNSPECIFIED
        await self._accesses.record(
            ProfileLook(student_id, company.id, company.name, role, ProfileAccessKind.PROFILE)
        )
        student = visible_student(profile)
        return blind_visible_student(student) if is_blind else student

    async def record_application_look(self, look: ProfileLook, handling: IncomingEvent) -> None:
        """Store a look at an application that its service has recorded; a repeat adds nothing."""
        await self._accesses.record_once(look, handling)

    async def list_accesses(
        self, principal: Principal, after_id: str | None, limit: int
    ) -> tuple[list[ProfileAccess], bool]:
        """Return entries of the caller's log, newest first, and whether there are more."""
        found = await self._accesses.list_of_student(principal.id, after_id, limit + 1)
        return found[:limit], len(found) > limit
