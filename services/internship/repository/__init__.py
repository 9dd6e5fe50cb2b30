"""The only place with this service's queries; each names the index that it uses."""

from chassis.mongo.provision import CollectionSpec
from services.internship.repository import company_standings, listings, published_views, search_collection

COLLECTIONS: tuple[CollectionSpec, ...] = (
    *listings.COLLECTIONS,
    *company_standings.COLLECTIONS,
    *published_views.COLLECTIONS,
    *search_collection.COLLECTIONS,
)

__all__ = ["COLLECTIONS"]
