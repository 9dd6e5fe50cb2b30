"""The only place with this service's queries; each names the index that it uses."""

from chassis.mongo.provision import CollectionSpec

from . import index, listings, standings, views

COLLECTIONS: tuple[CollectionSpec, ...] = (
    *listings.COLLECTIONS,
    *standings.COLLECTIONS,
    *views.COLLECTIONS,
    *index.COLLECTIONS,
)

__all__ = ["COLLECTIONS"]
