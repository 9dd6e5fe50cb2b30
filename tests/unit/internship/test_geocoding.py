"""Where a posting's locations are on the map."""

from dataclasses import replace

import pytest

from chassis.search.gazetteer import shared_gazetteer
from services.internship.domain.geocoding import Coordinates, geocode_posting
from services.internship.domain.model import ListingLocation, ListingState
from services.internship.domain.rules import publishing_violations
from tests.unit.internship.samples import NOW, POSTING, listing


def locate(city: str, region: str, country: str) -> Coordinates | None:
    found = shared_gazetteer().locate(city, region, country)
    return None if found is None else (found.lat, found.lng)


def where(
    *places: ListingLocation, before: tuple[ListingLocation, ...] = ()
) -> list[tuple[float | None, float | None]]:
    posting = geocode_posting(replace(POSTING, locations=places), locate, before)
    return [(place.lat and round(place.lat), place.lng and round(place.lng)) for place in posting.locations]


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        (ListingLocation(city="Munich", country="DE"), (48, 12)),
        (ListingLocation(city="münchen"), (48, 12)),
        (ListingLocation(city="London", country="CA"), (43, -81)),
        (ListingLocation(city="Springfield", region="Illinois", country="US"), (40, -90)),
        (ListingLocation(city="Billund", country="DK"), (56, 9)),
        (ListingLocation(city="Munich", country="DE", lat=1.0, lng=2.0), (1, 2)),
        (ListingLocation(country="DE"), (None, None)),
        (ListingLocation(city="Xyzzyville", country="DE"), (None, None)),
        (ListingLocation(city="Munich", country="JP"), (None, None)),
    ],
)
def test_a_city_without_coordinates_gets_its_own(
    place: ListingLocation, expected: tuple[float | None, float | None]
) -> None:
    assert where(place) == [expected]


def test_another_city_does_not_keep_the_coordinates_that_were_read_with_the_first() -> None:
    before = ListingLocation(city="Berlin", country="DE", lat=52.52, lng=13.405)
    assert where(replace(before, city="Munich"), before=(before,)) == [(48, 12)]
    assert where(before, before=(before,)) == [(53, 13)]
    own = ListingLocation(city="Munich", country="DE", lat=1.0, lng=2.0)
    assert where(own, before=(before,)) == [(1, 2)]


def test_a_city_that_nobody_knows_is_named_before_publishing() -> None:
    places = (
        ListingLocation(city="Munich", country="DE", lat=48.1, lng=11.6),
        ListingLocation(city="Xyzzyville", country="DE"),
    )
    [wrong] = publishing_violations(listing(ListingState.DRAFT, locations=places), NOW)
    assert wrong.field == "locations[1]"
    assert "Xyzzyville, DE" in wrong.description
    assert "lat and lng" in wrong.description
    given = (places[0], replace(places[1], lat=1.0, lng=2.0))
    assert publishing_violations(listing(ListingState.DRAFT, locations=given), NOW) == ()
