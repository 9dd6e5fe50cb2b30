"""All use cases that the servicer calls."""

from dataclasses import dataclass

from chassis.clock import Clock
from chassis.search.gazetteer import shared_gazetteer
from services.internship.repository.listings import ListingRepository
from services.internship.search.lexicon import Lexicon
from services.internship.search.port import SearchIndex
from services.internship.search.search_listings import SearchListings
from services.internship.search.suggestions import SuggestCompletions
from services.internship.service.companies import CompanyDirectory
from services.internship.service.manage_listings import ManageListings
from services.internship.service.manage_openings import ManageOpenings
from services.internship.service.moderate_listings import ModerateListings
from services.internship.service.read_listings import ReadListings
from services.internship.service.record_views import ViewRecorder


@dataclass(frozen=True)
class InternshipUseCases:
    """The use cases, one a capability."""

    manage: ManageListings
    read: ReadListings
    openings: ManageOpenings
    moderation: ModerateListings
    search: SearchListings
    suggestions: SuggestCompletions

    @classmethod
    def build(
        cls,
        listings: ListingRepository,
        index: SearchIndex,
        *,
        companies: CompanyDirectory,
        views: ViewRecorder,
        lexicon: Lexicon,
        clock: Clock,
    ) -> "InternshipUseCases":
        """Return the use cases over these ports."""
        places = shared_gazetteer()
        return cls(
            manage=ManageListings(listings, companies, places, clock),
            read=ReadListings(listings, views),
            openings=ManageOpenings(listings),
            moderation=ModerateListings(listings),
            search=SearchListings(index, clock, lexicon, places),
            suggestions=SuggestCompletions(lexicon, places),
        )
