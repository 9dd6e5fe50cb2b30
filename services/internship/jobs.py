"""The scheduled jobs of the internship service."""

from datetime import timedelta
from typing import Final

from chassis.clock import Clock
from chassis.roles.periodic_tasks import PeriodicTask
from services.internship.rebuild import SearchIndexRebuilder
from services.internship.repository.listings import ListingRepository
from services.internship.search.port import SearchIndex
from services.internship.service.archive_suspended import ArchiveSuspended
from services.internship.service.expire_listings import ExpireListings
from services.internship.service.publish_views import ViewPublisher
from services.internship.settings import InternshipSettings

ARCHIVE_INTERVAL_S: Final = 3600.0
UPGRADE_INDEX_INTERVAL_S: Final = 15.0
"""The interval at which entries of an older version of the service are replaced."""


def jobs(
    settings: InternshipSettings,
    clock: Clock,
    listings: ListingRepository,
    index: SearchIndex,
    publisher: ViewPublisher,
) -> tuple[PeriodicTask, ...]:
    """Return the jobs of the `work` role."""
    archive = ArchiveSuspended(listings, clock, timedelta(days=settings.suspension_grace_days))
    rebuilder = SearchIndexRebuilder(listings, index, clock)
    return (
        PeriodicTask("expire-listings", settings.expiry_every_s, ExpireListings(listings).expire_due),
        PeriodicTask("tell-views", settings.views_every_s, publisher.publish_counts),
        PeriodicTask("archive-suspended", ARCHIVE_INTERVAL_S, archive.archive_expired),
        PeriodicTask("renew-index", UPGRADE_INDEX_INTERVAL_S, rebuilder.upgrade_outdated),
    )
