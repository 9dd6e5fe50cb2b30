"""What the application service stores: applications by student, and a list of them by listing."""

from chassis.sharding.shards import Shards
from services.application.repository.applicants import ApplicantRepository
from services.application.repository.applications import ApplicationRepository
from services.application.repository.collections import COLLECTIONS
from services.application.repository.looks import ApplicationLookRepository
from services.application.repository.retention_rules import RetentionRuleRepository

__all__ = [
    "COLLECTIONS",
    "ApplicantRepository",
    "ApplicationLookRepository",
    "ApplicationRepository",
    "RetentionRuleRepository",
    "open_repositories",
]


def open_repositories(
    shards: Shards,
) -> tuple[ApplicationRepository, ApplicantRepository, ApplicationLookRepository, RetentionRuleRepository]:
    """Return the repositories on these shards, as the use cases take them."""
    return (
        ApplicationRepository(shards),
        ApplicantRepository(shards),
        ApplicationLookRepository(shards),
        RetentionRuleRepository(shards),
    )
