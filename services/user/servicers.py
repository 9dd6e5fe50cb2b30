"""The servicers of the user service, made together."""

from dataclasses import dataclass

from chassis.cache import Cache
from chassis.page_tokens import PageTokens
from services.user.api import UserServicer
from services.user.company_api import CompanyServicer
from services.user.consent_api import ConsentServicer
from services.user.data_export_api import DataExportServicer
from services.user.document_api import DocumentServicer
from services.user.profile_api import ProfileServicer
from services.user.service.data_export_use_cases import DataExportUseCases
from services.user.service.document_use_cases import DocumentUseCases
from services.user.service.manage_consents import ManageConsents
from services.user.service.profile_use_cases import ProfileUseCases
from services.user.service.team_use_cases import TeamUseCases
from services.user.settings import UserSettings


@dataclass(frozen=True)
class UserUseCases:
    """All use cases of the service, by what they are about."""

    people: ProfileUseCases
    teams: TeamUseCases
    documents: DocumentUseCases
    exports: DataExportUseCases
    consents: ManageConsents


def build_servicers(
    cases: UserUseCases, cache: Cache, page_tokens: PageTokens, settings: UserSettings
) -> tuple[object, ...]:
    """Return the service's servicers."""
    people = cases.people
    return (
        UserServicer(
            people.profiles,
            people.search,
            people.companies,
            cache,
            page_tokens,
            company_cache_s=settings.company_cache_s,
        ),
        ProfileServicer(people.resumes, people.views, page_tokens),
        CompanyServicer(cases.teams),
        DocumentServicer(cases.documents, settings.public_url),
        DataExportServicer(cases.exports.managing, settings.public_url),
        ConsentServicer(cases.consents, page_tokens),
    )
