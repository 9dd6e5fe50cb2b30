"""The use cases of profiles that come from JSON Resumes and leave as such."""

from collections.abc import Mapping
from typing import Any

from chassis.call_context import Principal
from chassis.errors import stale_etag
from chassis.mongo.documents import format_etag
from services.user.domain import Profile
from services.user.domain.completeness import ProfileCompleteness, measure_completeness
from services.user.domain.resume_export import export_json_resume
from services.user.domain.resume_import import ProfileRules, ResumeDraft, read_json_resume
from services.user.service.manage_profiles import ManageProfiles


class ExchangeResumes:
    """Fills people's own profiles from JSON Resumes, gives them as such, and says what they lack."""

    def __init__(self, profiles: ManageProfiles, rules: ProfileRules) -> None:
        self._profiles = profiles
        self._rules = rules

    async def export(self, principal: Principal) -> dict[str, Any]:
        """Return the caller's profile as a JSON Resume."""
        return export_json_resume(await self._profiles.get(principal))

    async def import_resume(
        self,
        principal: Principal,
        document: Mapping[str, Any],
        *,
        is_dry_run: bool,
        expected_etag: str,
    ) -> tuple[Profile, ResumeDraft]:
        """Return the caller's profile with a JSON Resume's values, and what became of the document.

        A dry run stores nothing. Raises STALE_ETAG.
        """
        before = await self._profiles.get(principal)
        if expected_etag and expected_etag != format_etag(before.version):
            raise stale_etag("profile", principal.id)
        draft = read_json_resume(document, before, self._rules)
        if is_dry_run:
            return draft.apply_to(before), draft
        after = await self._profiles.update(principal, draft.apply_to, expected_etag=expected_etag)
        return after, draft

    async def measure(self, principal: Principal) -> ProfileCompleteness:
        """Return how complete the caller's profile is."""
        return measure_completeness(await self._profiles.get(principal))
