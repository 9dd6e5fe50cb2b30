"""The use cases: applying, moving along the pipeline, hiring, and what time brings."""

from services.application.service.acceptance import Acceptances
from services.application.service.applicants import Applicants
from services.application.service.applications import Applications
from services.application.service.changes import Changes, Listings, Students
from services.application.service.offers import Offers
from services.application.service.upkeep import Upkeep

__all__ = ["Acceptances", "Applicants", "Applications", "Changes", "Listings", "Offers", "Students", "Upkeep"]
