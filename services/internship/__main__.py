"""Starts the internship service: `python -m services.internship serve` or `… work`."""

from chassis.redis.unique_readers import UniqueReaderCounter
from chassis.runtime import ServiceDefinition, ServiceResources, run_service
from services.internship import api, event_handlers, peers
from services.internship.jobs import jobs
from services.internship.repository.listings import ListingRepository
from services.internship.repository.published_views import PublishedViewRepository
from services.internship.repository.search_index import MongoSearchIndex
from services.internship.search.lexicon import Lexicon
from services.internship.service.follow_company import FollowCompany
from services.internship.service.publish_views import ViewPublisher
from services.internship.service.record_views import ViewRecorder
from services.internship.service.use_cases import InternshipUseCases
from services.internship.settings import InternshipSettings


def build_service(resources: ServiceResources[InternshipSettings]) -> ServiceDefinition:
    """Build the service definition for both roles."""
    shards, clock, settings = resources.shards, resources.clock, resources.settings
    listings, index = ListingRepository(shards, clock, resources.cache), MongoSearchIndex(shards, clock)
    readers, companies = UniqueReaderCounter(resources.redis, clock), peers.CompanyClient(resources.peers)
    views, lexicon = ViewRecorder(readers, settings.views_every_s), Lexicon(index, clock)
    publisher = ViewPublisher(PublishedViewRepository(shards, clock), readers)
    use_cases = InternshipUseCases.build(
        listings, index, companies=companies, views=views, lexicon=lexicon, clock=clock
    )
    following = FollowCompany(listings, companies)
    handlers = event_handlers.InternshipEventHandlers(index, use_cases.openings, following)
    return ServiceDefinition(
        servicers=(api.InternshipServicer(use_cases, resources.page_tokens, resources.cache, clock),),
        subscriptions=handlers.subscriptions(),
        periodic_tasks=jobs(settings, clock, listings, index, publisher),
        background_tasks=(lexicon.keep_fresh, views.flush_periodically),
        on_close=(views.flush,),
    )


if __name__ == "__main__":
    run_service("internship", InternshipSettings, build_service)
