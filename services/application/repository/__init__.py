"""What the application service stores: applications by student, and a list of them by listing."""

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
]
