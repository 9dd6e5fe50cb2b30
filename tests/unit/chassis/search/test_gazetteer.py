"""Places by any of their names."""

import pytest

from chassis.search.gazetteer import shared_gazetteer


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("münchen", "Munich"), ("MUENCHEN", "Munich"), ("Мюнхен", "Munich"), ("ミュンヘン", "Munich"),
        ("cologne", "Köln"), ("bangalore", "Bengaluru"), ("Lodz", "Łódź"), ("sao paulo", "São Paulo"),
        ("東京", "Tokyo"), ("กรุงเทพ", "Bangkok"), ("القاهرة", "Cairo"), ("nyc", "New York City"),
        ("london", "London"), ("Billund", "Billund"), ("cambridge", "Cambridge"), ("bombay", "Mumbai"),
        ("manhattan", "Manhattan"), ("brooklyn", "Brooklyn"),
    ],
)  # fmt: skip
def test_a_city_is_known_by_all_its_names(name: str, expected: str) -> None:
    assert shared_gazetteer().cities(name)[0].name == expected


@pytest.mark.parametrize(
    ("name", "code"),
    [("germany", "DE"), ("Deutschland", "DE"), ("allemagne", "DE"), ("ドイツ", "DE"), ("भारत", "IN"),
     ("holland", "NL"), ("UK", "GB"), ("USA", "US"), ("Brasil", "BR"), ("España", "ES")],
)  # fmt: skip
def test_a_country_is_known_in_many_languages(name: str, code: str) -> None:
    assert shared_gazetteer().find(name)[0].country == code
    assert shared_gazetteer().country(name) == code


def test_a_city_is_no_country() -> None:
    assert shared_gazetteer().country("Munich") == ""


def test_namesakes_are_distinguished_by_country_and_region_else_the_largest_is_meant() -> None:
    places = shared_gazetteer()
    assert [each.country for each in places.cities("london")][:2] == ["GB", "CA"]
    ontario, illinois = places.locate("London", "", "CA"), places.locate("Springfield", "IL", "US")
    assert ontario is not None and round(ontario.lng) == -81
    assert illinois is not None and illinois.region == "IL"
    assert places.locate("Springfield", "Illinois", "US") == illinois
    assert places.locate("London", "", "JP") is None


@pytest.mark.parametrize("name", ["", " ", "xyzzyville", "🚀", "a" * 10_000, "\0", ".*", "%2867714"])
def test_what_is_no_place_is_not_found(name: str) -> None:
    assert shared_gazetteer().find(name) == []


def test_cities_are_found_by_how_any_of_their_names_begins() -> None:
    assert "Munich" in [city.name for city in shared_gazetteer().starting_with("münch", 50)]
    assert shared_gazetteer().starting_with("zzzzz", 50) == []
