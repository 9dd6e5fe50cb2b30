"""MongoDB: profiles, companies' pages and teams, documents, access logs, consents, and what searches read.

A profile, its search entry, the person's documents, drafts, holds, access log, exports and consents are in
the user's slot, a company's page and team in its own. All are read by `_id`, an access log and consents by
their person; searches ask all shards.
"""

from dataclasses import dataclass
from typing import Self

from chassis.clock import Clock
from chassis.search.gazetteer import Gazetteer
from chassis.sharding.erased_people import ErasedPeople
from chassis.sharding.shards import Shards
from services.user.repository.accesses import ProfileAccessRepository
from services.user.repository.collections import COLLECTIONS, SCATTERS
from services.user.repository.companies import CompanyRepository, CompanyTeamRepository
from services.user.repository.consents import ConsentRepository
from services.user.repository.data_exports import DataExportRepository
from services.user.repository.documents import DocumentRepository
from services.user.repository.drafts import ProfileDraftRepository
from services.user.repository.erasure import PersonRemoval
from services.user.repository.holds import DocumentHoldRepository
from services.user.repository.profiles import ProfileRepository

__all__ = [
    "COLLECTIONS",
    "SCATTERS",
    "CompanyRepository",
    "CompanyTeamRepository",
    "ConsentRepository",
    "DataExportRepository",
    "DocumentHoldRepository",
    "DocumentRepository",
    "PersonRemoval",
    "ProfileAccessRepository",
    "ProfileDraftRepository",
    "ProfileRepository",
    "UserRepositories",
]


@dataclass(frozen=True)
class UserRepositories:
    """All repositories of the service."""

    profiles: ProfileRepository
    pages: CompanyRepository
    accesses: ProfileAccessRepository
    teams: CompanyTeamRepository
    documents: DocumentRepository
    drafts: ProfileDraftRepository
    holds: DocumentHoldRepository
    exports: DataExportRepository
    consents: ConsentRepository
    removal: PersonRemoval
    tombstones: ErasedPeople

    @classmethod
    def open(cls, shards: Shards, places: Gazetteer, clock: Clock) -> Self:
        """Return the repositories on these shards."""
        return cls(
            ProfileRepository(shards, places),
            CompanyRepository(shards),
            ProfileAccessRepository(shards, clock),
            CompanyTeamRepository(shards),
            DocumentRepository(shards),
            ProfileDraftRepository(shards),
            DocumentHoldRepository(shards),
            DataExportRepository(shards),
            ConsentRepository(shards, clock),
            PersonRemoval(shards),
            ErasedPeople(shards),
        )
