"""What the application service stores: applications by student, and a list of them by listing."""

from services.application.repository.applicants import ApplicantRepository
from services.application.repository.applications import ApplicationRepository
from services.application.repository.collections import COLLECTIONS

__all__ = ["COLLECTIONS", "ApplicantRepository", "ApplicationRepository"]
