"""Cities, regions and countries by all their names, the most populous first."""

from array import array
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from math import asin, cos, radians, sin, sqrt
from typing import Final

from chassis.search.gazetteer_tables import GazetteerTables, load_tables
from chassis.search.text_analysis import name_key

EARTH_RADIUS_KM: Final = 6371.0088
PLACE_MARK: Final = "%"
MAX_NAME_WORDS: Final = 4
_MIN_OWN_NAME_POPULATION: Final = 100_000
"""The population from which a city's own name wins over an alternate name of a larger city."""
_SHORT_NAMES: Final = {
    "nyc": "new york city",
    "sf": "san francisco",
    "la": "los angeles",
    "ny": "new york city",
}
_CONTINENTS: Final = {
    "europe": "EU", "europa": "EU", "asia": "AS", "africa": "AF", "north america": "NA",
    "south america": "SA", "oceania": "OC",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class GazetteerEntry:
    """A city, a region or a country; `term` is its term in the index, `lat` and `lng` are degrees."""

    term: str
    name: str
    country: str
    region: str = ""
    population: int = 0
    lat: float = 0.0
    lng: float = 0.0
    is_city: bool = True


class Gazetteer:
    """All places by name. `find` returns candidates; the caller decides which one is meant."""

    def __init__(self, tables: GazetteerTables) -> None:
        self._tables = tables
        self._offsets, self._ids, self._populations = array("I"), array("I"), array("I")
        self._points = array("d")
        self._offsets.frombytes(tables.offsets)
        self._ids.frombytes(tables.ids)
        self._populations.frombytes(tables.populations)
        self._points.frombytes(tables.points)
        self._states = {name_key(name): code for code, name in tables.states.items()}

    def find(self, name: str) -> list[GazetteerEntry]:
        """Return all places of this name: country, continent, US state, then cities by population."""
        return [*self._find_regions(name_key(name)), *self.cities(name)]

    def cities(self, name: str, *, country: str = "", region: str = "") -> list[GazetteerEntry]:
        """Return the cities of this name, the most populous first; in the country, and in the region if any
        is.

        Large cities of which it is the own name come first.
        """
        rows = [row for row in self._rows(_name_key(name)) if country in ("", self._tables.codes[row])]
        own = name_key(name)
        rows.sort(key=lambda row: (not self._is_own_name(row, own), -self._populations[row]))
        if region:
            rows = [row for row in rows if self._fits(row, region)] or rows
        return [self._city(row) for row in rows]

    def locate(self, city: str, region: str = "", country: str = "") -> GazetteerEntry | None:
        """Return the city of a posting; None when no city of that name is known in that country."""
        return next(iter(self.cities(city, country=country, region=region)), None)

    def starting_with(self, prefix: str, limit: int) -> list[GazetteerEntry]:
        """Return the cities with a name that begins so, each once, from the first `limit` names."""
        key = _name_key(prefix).encode()
        at = bisect_left(self._offsets, key, key=self._key_at)
        rows: dict[int, None] = {}
        for offset in self._offsets[at : at + limit]:
            name, _, found = self._line(offset).partition(b"\t")
            if not name.startswith(key):
                break
            rows |= dict.fromkeys(int(each) for each in found.split(b","))
        return [self._city(row) for row in rows]

    def with_code(self, code: str) -> list[GazetteerEntry]:
        """Return the country of an ISO 3166-1 code and the US state of that code, two letters in any case."""
        code, found = code.upper(), []
        if name := self._tables.country_names.get(code):
            found.append(GazetteerEntry(country_term(code), name, code, is_city=False))
        if state := self._tables.states.get(code):
            found.append(GazetteerEntry(state_term(code), state, "US", code, is_city=False))
        return found

    def country_name(self, code: str) -> str:
        """Return a country's name in English."""
        return self._tables.country_names.get(code, code)

    def country(self, name: str) -> str:
        """Return the ISO 3166-1 code of the country of that name in any of our languages, "" for none."""
        return self._tables.countries.get(name_key(name), "")

    def containing_terms(self, city: GazetteerEntry | None, country: str) -> list[str]:
        """Return the terms of the areas that a place is in: country, continent, and state in the US."""
        terms = [country_term(country)] if country else []
        if continent := self._tables.continents.get(country):
            terms.append(_continent_term(continent))
        if city is not None and city.country == "US" and city.region in self._tables.states:
            terms.append(state_term(city.region))
        return terms

    def state(self, name: str) -> str:
        """Return the code of the US state of that name or code, "" for none."""
        if name.upper() in self._tables.states:
            return name.upper()
        return self._states.get(name_key(name), "")

    def state_name(self, code: str) -> str:
        """Return the name of a US state, "" for another code."""
        return self._tables.states.get(code, "")

    def _find_regions(self, key: str) -> Iterator[GazetteerEntry]:
        if code := self._tables.countries.get(key):
            yield GazetteerEntry(country_term(code), self.country_name(code), code, is_city=False)
        if continent := _CONTINENTS.get(key):
            yield GazetteerEntry(_continent_term(continent), key.title(), "", is_city=False)
        if state := self._states.get(key):
            name = self._tables.states[state]
            yield GazetteerEntry(state_term(state), name, "US", state, is_city=False)

    def _is_own_name(self, row: int, key: str) -> bool:
        """Return whether it is the own name of a large city: Manhattan is not another name of New York."""
        return self._populations[row] >= _MIN_OWN_NAME_POPULATION and name_key(self._tables.names[row]) == key

    def _fits(self, row: int, region: str) -> bool:
        code = self._tables.regions[row]
        return name_key(region) in {code.casefold(), name_key(self._tables.states.get(code, code))}

    def _city(self, row: int) -> GazetteerEntry:
        lat, lng = self._points[2 * row : 2 * row + 2]
        return GazetteerEntry(
            f"{PLACE_MARK}{self._ids[row]}",
            self._tables.names[row],
            self._tables.codes[row],
            self._tables.regions[row],
            self._populations[row],
            lat,
            lng,
        )

    def _rows(self, key: str) -> list[int]:
        wanted = key.encode()
        at = bisect_left(self._offsets, wanted, key=self._key_at)
        if at == len(self._offsets) or self._key_at(self._offsets[at]) != wanted:
            return []
        return [int(each) for each in self._line(self._offsets[at]).split(b"\t")[1].split(b",")]

    def _line(self, offset: int) -> bytes:
        keys = self._tables.keys
        return keys[offset : keys.index(b"\n", offset)]

    def _key_at(self, offset: int) -> bytes:
        keys = self._tables.keys
        return keys[offset : keys.index(b"\t", offset)]


@cache
def shared_gazetteer() -> Gazetteer:
    """Return the table of places, one per process."""
    return Gazetteer(load_tables())


def country_term(code: str) -> str:
    """Return the index term of listings in a country."""
    return f"{PLACE_MARK}{code}"


def state_term(code: str) -> str:
    """Return the index term of listings in a US state."""
    return f"{PLACE_MARK}US-{code}"


def _continent_term(code: str) -> str:
    return f"{PLACE_MARK}continent-{code}"


def distance_km(lat: float, lng: float, other_lat: float, other_lng: float) -> float:
    """Return the great-circle distance in kilometres between two points in degrees (haversine)."""
    lat_1, lat_2 = radians(lat), radians(other_lat)
    over = sin((lat_2 - lat_1) / 2) ** 2 + cos(lat_1) * cos(lat_2) * sin(radians(other_lng - lng) / 2) ** 2
    return 2 * EARTH_RADIUS_KM * asin(min(1.0, sqrt(over)))


def _name_key(name: str) -> str:
    key = name_key(name)
    return _SHORT_NAMES.get(key, key)
