"""What the application service keeps: applications by student, and a view of them by listing."""

from services.application.repository.applicants import ApplicantRepository, ApplicantRow
from services.application.repository.applications import ApplicationRepository
from services.application.repository.collections import COLLECTIONS

__all__ = ["COLLECTIONS", "ApplicantRepository", "ApplicantRow", "ApplicationRepository"]
