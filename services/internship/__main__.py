"""Starts the internship service: `python -m services.internship serve` or `… work`."""

from datetime import timedelta
from functools import partial

from chassis.redis.unique_readers import UniqueReaderCounter
from chassis.roles.periodic_tasks import PeriodicTask
from chassis.runtime import ServiceDefinition, ServiceResources, run_service
from chassis.search.gazetteer import shared_gazetteer
from services.internship.api import InternshipServicer
from services.internship.event_handlers import InternshipEventHandlers
from services.internship.peers import CompanyClient
from services.internship.rebuild import SearchIndexRebuilder
from services.internship.repository.listing_repository import ListingRepository
from services.internship.search.lexicon import Lexicon
from services.internship.search.search_listings import SearchListings
from services.internship.search.suggestions import SuggestCompletions
from services.internship.service import (
    ListingUpkeep,
    ManageListings,
    ManageOpenings,
    ModerateListings,
    ViewPublisher,
    ViewRecorder,
)
from services.internship.settings import InternshipSettings

RENEW_INDEX_INTERVAL_S = 15.0
"""How soon entries are made anew that an older version of the service has stored."""


def build_service(r: ServiceResources[InternshipSettings]) -> ServiceDefinition:
    """The room, in either role."""
    ledger = ListingRepository(r.shards, r.cache, r.clock)
    companies = CompanyClient(r.peers)
    readers = UniqueReaderCounter(r.redis, r.clock)
    views, telling = ViewRecorder(readers, r.settings.views_every_s), ViewPublisher(r.shards, readers)
    lexicon, places = Lexicon(r.shards, r.clock), shared_gazetteer()
    openings, upkeep, moderation = (
        ManageOpenings(ledger),
        ListingUpkeep(ledger, companies),
        ModerateListings(ledger),
    )
    grace = timedelta(days=r.settings.suspension_grace_days)
    api = InternshipServicer(
        listings=ManageListings(ledger, companies, views, places),
        openings=openings,
        moderation=moderation,
        finding=SearchListings(r.shards, r.clock, lexicon, places),
        suggesting=SuggestCompletions(lexicon, places),
        tokens=r.page_tokens,
        cache=r.cache,
        clock=r.clock,
    )
    return ServiceDefinition(
        servicers=(api,),
        subscriptions=InternshipEventHandlers(
            r.shards, r.clock, openings, upkeep, moderation
        ).subscriptions(),
        periodic_tasks=(
            PeriodicTask("expire-listings", r.settings.expiry_every_s, upkeep.expire),
            PeriodicTask("tell-views", r.settings.views_every_s, telling.tell),
            PeriodicTask("archive-suspended", 3600.0, partial(moderation.archive_forgotten, grace)),
            PeriodicTask(
                "renew-index", RENEW_INDEX_INTERVAL_S, SearchIndexRebuilder(r.shards, r.clock).renew
            ),
        ),
        background_tasks=(lexicon.keep_fresh, views.keep_telling),
        on_close=(views.flush,),
    )


if __name__ == "__main__":
    run_service("internship", InternshipSettings, build_service)
