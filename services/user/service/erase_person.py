"""The use case that erases a person: membership, copies, documents, and then the records themselves."""

from typing import Final

from chassis.aggregates import AggregateChange
from chassis.blobs import BlobStore
from chassis.errors import DomainError
from chassis.text import parse_email_address
from services.user.domain.company import CompanyState
from services.user.domain.data_exports import archive_keys
from services.user.domain.documents import StudentDocuments
from services.user.domain.roles import MemberRole
from services.user.domain.team import CompanyTeam, found_team
from services.user.domain.team_events import MembershipStep, TeamNames, membership_changed
from services.user.repository import PersonRemoval, UserRepositories
from services.user.service.manage_companies import ManageCompanies
from services.user.service.manage_documents import change_of_documents
from services.user.service.scan_documents import ScanDocuments

NO_OWNER_REASON: Final = "The company has no owner any more."


class EraseProfile:
    """Erases all that the user service holds of a person; each step can be repeated."""

    def __init__(
        self,
        stored: UserRepositories,
        removal: PersonRemoval,
        companies: ManageCompanies,
        contents: ScanDocuments,
        blobs: BlobStore,
    ) -> None:
        self._stored = stored
        self._removal = removal
        self._companies = companies
        self._contents = contents
        self._blobs = blobs

    async def erase(self, user_id: str) -> None:
        """Erase a person. Raises UNAVAILABLE, and is repeated then."""
        await self._end_membership(user_id)
        await self._delete_archives(user_id)
        await self._delete_documents(user_id)
        await self._removal.remove(user_id)

    async def _end_membership(self, user_id: str) -> None:
        """End the membership; a company that loses its last owner is suspended, which ends its listings."""
        profile = await self._stored.profiles.get(user_id)
        if profile is None or not profile.company_id:
            return
        company_id = profile.company_id
        team = await self._stored.teams.get(company_id) or found_team(company_id, user_id, MemberRole.OWNER)
        if team.find_member(user_id) is None:
            return
        if not team.without_erased(user_id).has_owner:
            await self._suspend(company_id)
        company = await self._stored.pages.get(company_id)
        names = TeamNames(company.name if company else "", {})
        email_key = parse_email_address(profile.email).key if profile.email else ""

        def decide(found: CompanyTeam | None) -> AggregateChange[CompanyTeam] | None:
            before = found or found_team(company_id, user_id, MemberRole.OWNER)
            member = before.find_member(user_id)
            if member is None:
                return None
            after = before.without_erased(user_id, email_key).with_next_version()
            left = membership_changed(after, member, MembershipStep.LEFT, user_id, names)
            return AggregateChange(after, (left,))

        await self._stored.teams.upsert(company_id, decide)

    async def _suspend(self, company_id: str) -> None:
        try:
            await self._companies.set_state(company_id, CompanyState.SUSPENDED, "", NO_OWNER_REASON)
        except DomainError as error:
            if error.reason != "COMPANY_NOT_FOUND":
                raise

    async def _delete_archives(self, user_id: str) -> None:
        found = await self._stored.exports.get(user_id)
        for export in found.exports if found else ():
            for key in archive_keys(user_id, export):
                await self._blobs.delete(key)

    async def _delete_documents(self, user_id: str) -> None:
        """Delete documents and drafts, then the contents that no application holds."""
        found = await self._stored.documents.get(user_id)
        if found is None:
            return

        def decide(documents: StudentDocuments) -> AggregateChange[StudentDocuments] | None:
            after = documents
            for document_id in sorted(documents.document_ids()):
                after = after.without_document(document_id)
            return change_of_documents(documents, after)

        await self._stored.documents.update(user_id, decide, known=found)
        await self._contents.delete_contents(user_id, found.blob_keys())
