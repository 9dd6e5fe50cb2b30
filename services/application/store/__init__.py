"""What the application service keeps: applications by student, and a view of them by listing."""

from services.application.store.applicants import ApplicantRow, ApplicantStore
from services.application.store.applications import ApplicationStore
from services.application.store.collections import COLLECTIONS

__all__ = ["COLLECTIONS", "ApplicantRow", "ApplicantStore", "ApplicationStore"]
