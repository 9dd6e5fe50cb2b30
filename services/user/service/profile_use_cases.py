"""The use cases of profiles, of searches for students and of companies' pages, made together."""

from dataclasses import dataclass
from typing import Self

from chassis.cache import Cache
from chassis.clock import Clock
from chassis.search.gazetteer import Gazetteer
from services.user.domain.resume_import import ProfileRules
from services.user.repository import UserRepositories
from services.user.service.exchange_resumes import ExchangeResumes
from services.user.service.manage_companies import ManageCompanies
from services.user.service.manage_profiles import ManageProfiles
from services.user.service.search_students import SearchStudents
from services.user.service.view_students import ViewStudents


@dataclass(frozen=True)
class ProfileUseCases:
    """One instance of each use case."""

    profiles: ManageProfiles
    search: SearchStudents
    companies: ManageCompanies
    views: ViewStudents
    resumes: ExchangeResumes

    @classmethod
    def build(
        cls, stored: UserRepositories, places: Gazetteer, rules: ProfileRules, cache: Cache, clock: Clock
    ) -> Self:
        """Return the use cases on these repositories."""
        profiles = ManageProfiles(stored.profiles, clock)
        companies = ManageCompanies(stored.pages, cache, clock)
        return cls(
            profiles,
            SearchStudents(stored.profiles, places),
            companies,
            ViewStudents(stored.profiles, stored.accesses, companies),
            ExchangeResumes(profiles, rules),
        )
