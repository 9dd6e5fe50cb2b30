"""Cities, regions and countries by all their names: found by name, the greatest first."""

from array import array
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from math import asin, cos, radians, sin, sqrt
from typing import Final

from .gazetteer_tables import Tables, load
from .text import key_of

EARTH_RADIUS_KM: Final = 6371.0088
MARK: Final = "%"
MAX_NAME_WORDS: Final = 4
_OWN_NAME_COUNTS_FROM: Final = 100_000
"""People of a city whose own name wins over the same as another name of a greater one."""
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
class FoundPlace:
    """A city, a region or a country; `term` is what it is indexed under, `lat` and `lng` are degrees."""

    term: str
    name: str
    country: str
    region: str = ""
    population: int = 0
    lat: float = 0.0
    lng: float = 0.0
    is_city: bool = True


class Gazetteer:
    """All places, by name. `find` gives candidates; which one is meant is for the caller to judge."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._offsets, self._ids, self._populations = array("I"), array("I"), array("I")
        self._points = array("d")
        self._offsets.frombytes(tables.offsets)
        self._ids.frombytes(tables.ids)
        self._populations.frombytes(tables.populations)
        self._points.frombytes(tables.points)
        self._states = {key_of(name): code for code, name in tables.states.items()}

    def find(self, name: str) -> list[FoundPlace]:
        """All that is called so: a country, a continent, a US state, then cities, the greatest first."""
        return [*self._lands(key_of(name)), *self.cities(name)]

    def cities(self, name: str, *, country: str = "", region: str = "") -> list[FoundPlace]:
        """Cities that are called so, the greatest first; in one country, and in a region if one fits.

        Of cities of some size those go first whose own name it is.
        """
        rows = [row for row in self._rows(_name_key(name)) if country in ("", self._tables.codes[row])]
        own = key_of(name)
        rows.sort(key=lambda row: (not self._is_own_name(row, own), -self._populations[row]))
        if region:
            rows = [row for row in rows if self._fits(row, region)] or rows
        return [self._city(row) for row in rows]

    def locate(self, city: str, region: str = "", country: str = "") -> FoundPlace | None:
        """The city that a posting means; None when no city of that name is known in that country."""
        return next(iter(self.cities(city, country=country, region=region)), None)

    def starting_with(self, start: str, limit: int) -> list[FoundPlace]:
        """Cities one of whose names begins so, each once, looked for among the first `limit` names."""
        key = _name_key(start).encode()
        at = bisect_left(self._offsets, key, key=self._key_at)
        rows: dict[int, None] = {}
        for offset in self._offsets[at : at + limit]:
            name, _, found = self._line(offset).partition(b"\t")
            if not name.startswith(key):
                break
            rows |= dict.fromkeys(int(each) for each in found.split(b","))
        return [self._city(row) for row in rows]

    def country_name(self, code: str) -> str:
        """A country's name in English."""
        return self._tables.country_names.get(code, code)

    def lands_of(self, city: FoundPlace | None, country: str) -> list[str]:
        """The terms of what a place lies in: its country, continent, and state if it is in the US."""
        terms = [country_term(country)] if country else []
        if continent := self._tables.continents.get(country):
            terms.append(_continent_term(continent))
        if city is not None and city.country == "US" and city.region in self._tables.states:
            terms.append(state_term(city.region))
        return terms

    def state(self, name: str) -> str:
        """The code of the US state of that name or code, "" for none."""
        if name.upper() in self._tables.states:
            return name.upper()
        return self._states.get(key_of(name), "")

    def state_name(self, code: str) -> str:
        """The name of a US state, "" for another code."""
        return self._tables.states.get(code, "")

    def _lands(self, key: str) -> Iterator[FoundPlace]:
        if code := self._tables.countries.get(key):
            yield FoundPlace(country_term(code), self.country_name(code), code, is_city=False)
        if continent := _CONTINENTS.get(key):
            yield FoundPlace(_continent_term(continent), key.title(), "", is_city=False)
        if state := self._states.get(key):
            name = self._tables.states[state]
            yield FoundPlace(state_term(state), name, "US", state, is_city=False)

    def _is_own_name(self, row: int, key: str) -> bool:
        """Whether a city of some size is called so itself: Manhattan is not another name of New York."""
        return self._populations[row] >= _OWN_NAME_COUNTS_FROM and key_of(self._tables.names[row]) == key

    def _fits(self, row: int, region: str) -> bool:
        code = self._tables.regions[row]
        return key_of(region) in {code.casefold(), key_of(self._tables.states.get(code, code))}

    def _city(self, row: int) -> FoundPlace:
        lat, lng = self._points[2 * row : 2 * row + 2]
        return FoundPlace(
            f"{MARK}{self._ids[row]}",
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
def gazetteer() -> Gazetteer:
    """The one table of places of this process."""
    return Gazetteer(load())


def country_term(code: str) -> str:
    """What listings in a country are indexed under."""
    return f"{MARK}{code}"


def state_term(code: str) -> str:
    """What listings in a state of the US are indexed under."""
    return f"{MARK}US-{code}"


def _continent_term(code: str) -> str:
    return f"{MARK}continent-{code}"


def distance_km(lat: float, lng: float, other_lat: float, other_lng: float) -> float:
    """The way between two points in degrees as the crow flies (haversine)."""
    lat_1, lat_2 = radians(lat), radians(other_lat)
    over = sin((lat_2 - lat_1) / 2) ** 2 + cos(lat_1) * cos(lat_2) * sin(radians(other_lng - lng) / 2) ** 2
    return 2 * EARTH_RADIUS_KM * asin(min(1.0, sqrt(over)))


def _name_key(name: str) -> str:
    key = key_of(name)
    return _SHORT_NAMES.get(key, key)
