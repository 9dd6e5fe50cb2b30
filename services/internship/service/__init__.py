"""The use cases: what happens, in order."""

from services.internship.rebuild import SearchIndexRebuilder
from services.internship.repository.listing_repository import ListingRepository
from services.internship.search.lexicon import Lexicon
from services.internship.search.search_listings import SearchListings
from services.internship.search.suggestions import SuggestCompletions
from services.internship.service.listings import ManageListings
from services.internship.service.moderation import ModerateListings
from services.internship.service.openings import ManageOpenings
from services.internship.service.upkeep import ListingUpkeep
from services.internship.service.views import ViewPublisher, ViewRecorder

__all__ = [
    "Lexicon",
    "ListingRepository",
    "ListingUpkeep",
    "ManageListings",
    "ManageOpenings",
    "ModerateListings",
    "SearchIndexRebuilder",
    "SearchListings",
    "SuggestCompletions",
    "ViewPublisher",
    "ViewRecorder",
]
