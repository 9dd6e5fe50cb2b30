"""Coordinates of a posting's cities."""

from collections.abc import Callable, Iterable
from dataclasses import replace

from services.internship.domain.model import ListingLocation, Posting

Coordinates = tuple[float, float]
LocateCity = Callable[[str, str, str], Coordinates | None]
"""Returns latitude and longitude of a city, by city, region and country; None for an unknown one."""
_CitiesByCoordinates = dict[tuple[float | None, float | None], tuple[str, ...]]


def geocode_posting(posting: Posting, locate: LocateCity, before: Iterable[ListingLocation] = ()) -> Posting:
    """Return the posting with coordinates for each known city that has none of its own.

    Coordinates that another city of the posting `before` had are not this city's own: a client that sends
    back a listing and changes the city's name alone means the new city.
    """
    taken: _CitiesByCoordinates = {
        (place.lat, place.lng): _city_name(place) for place in before if place.lat is not None
    }
    places = tuple(
        _geocode_location(_without_stale_coordinates(place, taken), locate) for place in posting.locations
    )
    return posting if places == posting.locations else replace(posting, locations=places)


def _without_stale_coordinates(place: ListingLocation, taken: _CitiesByCoordinates) -> ListingLocation:
    owner = taken.get((place.lat, place.lng))
    stale = place.lat is not None and owner is not None and owner != _city_name(place)
    return replace(place, lat=None, lng=None) if stale else place


def _geocode_location(place: ListingLocation, locate: LocateCity) -> ListingLocation:
    if not place.city or place.lat is not None or place.lng is not None:
        return place
    point = locate(place.city, place.region, place.country)
    return place if point is None else replace(place, lat=point[0], lng=point[1])


def _city_name(place: ListingLocation) -> tuple[str, ...]:
    return place.city, place.region, place.country
