"""Places in a résumé's text: cities with their countries, by the gazetteer."""

import re
from typing import Final

from chassis.search.gazetteer import Gazetteer, GazetteerEntry
from services.user.domain.profile import Location
from services.user.domain.resumes.text import CELL_BREAK

WITH_COUNTRY: Final = 0.95
"""How certain a city is with its country, its state or a postcode."""
_MAX_CITY_WORDS: Final = 4
_MIN_CITY_LETTERS: Final = 3
_POSTCODE: Final = re.compile(r"^(?:[A-Z]{1,2}[- ])?\d{4,5}\s+(?=\D)")
_UK_POSTCODE: Final = re.compile(r"\s*\b[A-Z]{1,2}\d[A-Z\d]?\s*\d[A-Z]{2}\b")
_US_ZIP: Final = re.compile(r"\s+\d{5}(?:-\d{4})?$")
_SEPARATOR: Final = re.compile(rf"\s*(?:{CELL_BREAK}|,|;|\||·|•|/|\s[–—-]\s)\s*")
_MIN_BARE_CITY_POPULATION: Final = 15_000
_NO_CITY: Final = frozenset(
    {"university", "of", "data", "science", "student", "mobile", "java", "home", "web"}
)
REMOTE: Final = frozenset({"remote", "hybrid", "home office", "homeoffice", "worldwide", "online", "on site"})


def read_location(text: str, places: Gazetteer) -> tuple[Location, float] | None:
    """Return the place that a line names and how certain it is; None when it names none.

    A postcode before the city, or its country after it, make it certain.
    """
    parts = [part for part in _SEPARATOR.split(text) if part]
    for at, part in enumerate(parts):
        following = parts[at + 1 :]
        if found := _read_city(part, following, places):
            return found
    return None


def is_place(text: str, places: Gazetteer) -> bool:
    """Return whether the text is a city, with or without its country, or says that work is remote."""
    if text.casefold() in REMOTE:
        return True
    parts = [part for part in _SEPARATOR.split(text) if part]
    if not parts or len(parts) > 3:
        return False
    first, rest = parts[0], parts[1:]
    if country_of(first, places) and not rest:
        return True
    return _read_city(first, rest, places) is not None and all(
        country_of(part, places) or places.state(part) or part.casefold() in REMOTE for part in rest
    )


def country_of(text: str, places: Gazetteer) -> str:
    """Return the ISO code of the country that the text names, or is the code of; "" for none."""
    tidy = text.strip(" .()")
    if len(tidy) == 2 and tidy.isupper() and places.country_name(tidy) != tidy:
        return tidy
    return places.country(tidy) if len(tidy) > 2 or tidy.upper() in ("UK", "US") else ""


def _read_city(part: str, following: list[str], places: Gazetteer) -> tuple[Location, float] | None:
    bare = _US_ZIP.sub("", _UK_POSTCODE.sub("", part.strip()))
    without_code = _POSTCODE.sub("", bare)
    name = without_code.strip(" .()")
    if not _can_be_city(name):
        return None
    state = places.state(_US_ZIP.sub("", following[0])) if following else ""
    country = next((code for text in following[:2] if (code := country_of(text, places))), "")
    if state and country != "US" and places.cities(name, country="US", region=state):
        return Location(name, state, "US"), WITH_COUNTRY
    cities = places.cities(name, country=country)
    return _rate_city(name, country, cities, has_postcode=without_code != part.strip())


def _rate_city(
    name: str, country: str, cities: list[GazetteerEntry], *, has_postcode: bool
) -> tuple[Location, float] | None:
    """Return the city and how certain it is, by the country beside it, its postcode, and its size."""
    if cities and (country or has_postcode):
        return Location(name, "", country or cities[0].country), WITH_COUNTRY
    if country:
        return Location(name, "", country), 0.8 if has_postcode else 0.6
    if cities and cities[0].population >= _MIN_BARE_CITY_POPULATION:
        return Location(name, "", cities[0].country), 0.7
    return None


def _can_be_city(name: str) -> bool:
    words = name.split()
    is_named = len(name) >= _MIN_CITY_LETTERS and 0 < len(words) <= _MAX_CITY_WORDS and name[0].isupper()
    return is_named and not any(map(str.isdigit, name)) and name.casefold() not in _NO_CITY
