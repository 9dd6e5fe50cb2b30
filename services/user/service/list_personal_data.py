"""What the user service holds of a person, for the person's own copy.

Search entries are derived from the profile. Teams belong to companies; the profile names the person's own.
"""

from chassis.errors import unavailable
from chassis.personal_data import (
    MAX_RECORDS_PER_PAGE,
    JsonFields,
    PersonalDataSection,
    SectionedPersonalData,
    SectionPage,
    personal_fields,
    read_single,
    section_page,
)
from services.user.domain.consents import CONSENT_TEXTS, ConsentPurpose
from services.user.repository import UserRepositories

_KEYS_OF_CONTENTS = ("blob_key",)


class ListProfileData:
    """Reads the sections, which `source` holds together."""

    def __init__(self, stored: UserRepositories) -> None:
        self._stored = stored

    @property
    def source(self) -> SectionedPersonalData:
        """All that is listed of a person."""
        return SectionedPersonalData(
            PersonalDataSection("profile", read_single(self._find_profile)),
            PersonalDataSection("documents", self._read_documents),
            PersonalDataSection("resume-drafts", self._read_drafts),
            PersonalDataSection("sent-documents", self._read_holds),
            PersonalDataSection("access-log", self._read_accesses),
            PersonalDataSection("data-exports", self._read_exports),
            *map(self._consent_section, CONSENT_TEXTS),
        )

    def _consent_section(self, purpose: ConsentPurpose) -> PersonalDataSection:
        async def read(user_id: str, after: str) -> SectionPage:
            limit = MAX_RECORDS_PER_PAGE
            rows = await self._stored.consents.list_of_purpose(user_id, purpose, int(after or 0), limit)
            return section_page(rows, limit, personal_fields, lambda row: str(row.number))

        return PersonalDataSection(f"consents-{purpose.lower().replace('_', '-')}", read)

    async def _find_profile(self, user_id: str) -> JsonFields | None:
        found = await self._stored.profiles.get(user_id)
        return None if found is None else personal_fields(found)

    async def _read_documents(self, user_id: str, _: str) -> SectionPage:
        found = await self._stored.documents.get(user_id)
        documents = found.documents if found else ()
        return SectionPage([personal_fields(each, without=_KEYS_OF_CONTENTS) for each in documents])

    async def _read_drafts(self, user_id: str, _: str) -> SectionPage:
        found = await self._stored.documents.get(user_id)
        drafts = await self._stored.drafts.get_each(sorted(found.document_ids()) if found else ())
        if drafts.unavailable_ids:
            raise unavailable("Some of the drafts")
        return SectionPage([personal_fields(each) for each in drafts.items])

    async def _read_holds(self, user_id: str, after: str) -> SectionPage:
        rows = await self._stored.holds.list_of_student(user_id, after, MAX_RECORDS_PER_PAGE)
        return section_page(
            rows,
            MAX_RECORDS_PER_PAGE,
            lambda row: personal_fields(row, without=_KEYS_OF_CONTENTS),
            lambda row: row.id,
        )

    async def _read_accesses(self, user_id: str, after: str) -> SectionPage:
        rows = await self._stored.accesses.list_of_student(user_id, after or None, MAX_RECORDS_PER_PAGE)
        return section_page(rows, MAX_RECORDS_PER_PAGE, personal_fields, lambda row: row.id)

    async def _read_exports(self, user_id: str, _: str) -> SectionPage:
        found = await self._stored.exports.get(user_id)
        exports = found.exports if found else ()
        return SectionPage([personal_fields(each, without=_KEYS_OF_CONTENTS) for each in exports])
