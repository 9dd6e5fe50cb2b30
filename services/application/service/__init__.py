"""The use cases: applying, moving along the pipeline, hiring, and what time brings."""

from services.application.service.acceptance import AcceptOffers
from services.application.service.applicants import ListApplicants
from services.application.service.applications import ManageApplications
from services.application.service.changes import ApplicationUpdater, ListingDirectory, StudentDirectory
from services.application.service.offers import MakeOffers
from services.application.service.upkeep import ApplicationUpkeep

__all__ = [
    "AcceptOffers",
    "ApplicationUpdater",
    "ApplicationUpkeep",
    "ListApplicants",
    "ListingDirectory",
    "MakeOffers",
    "ManageApplications",
    "StudentDirectory",
]
