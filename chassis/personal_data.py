"""The port to what a service holds of one person, from which the person's own copy is made.

A service lists its records section by section, a section for each kind of record, and each section page by
page. It leaves out secrets, such as hashes of passwords, and all that concerns others.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeVar

import msgspec
import orjson

from chassis.errors import Violation, invalid_argument

MAX_RECORDS_PER_PAGE: Final = 20
"""A record has some kilobytes, an application with its frozen profile up to a hundred."""

JsonFields = Mapping[str, Any]
"""The fields of a record, as JSON has them."""
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class PersonalRecord:
    """A record about a person, as the text of a JSON object."""

    collection: str
    json: str


@dataclass(frozen=True, slots=True)
class DataPosition:
    """Where a list goes on: in the section of a collection, after a key; "" for the section's beginning."""

    collection: str
    after: str = ""


@dataclass(frozen=True, slots=True)
class PersonalDataPage:
    """Some records, and where the next ones begin; None: there are no further ones."""

    records: tuple[PersonalRecord, ...]
    next_position: DataPosition | None = None


class PersonalDataSource(Protocol):
    """Lists what a service holds of a person."""

    async def list_page(self, user_id: str, position: DataPosition | None) -> PersonalDataPage:
        """Return the records from a position on, or the first ones; a page may be empty before the last one.

        Raises INVALID_PAGE_TOKEN for a position of another version of the service, and UNAVAILABLE.
        """
        ...


@dataclass(frozen=True, slots=True)
class SectionPage:
    """Some records of one section; `after` is the key after which the next ones come, "" after the last."""

    records: Sequence[JsonFields]
    after: str = ""


ReadSection = Callable[[str, str], Awaitable[SectionPage]]
"""Takes the ID of a person and the key after which to go on, "" at first."""


@dataclass(frozen=True, slots=True)
class PersonalDataSection:
    """The records of one kind, under the name that their owner finds them by."""

    collection: str
    read: ReadSection


class SectionedPersonalData:
    """A source that goes through its sections, one after the other."""

    def __init__(self, *sections: PersonalDataSection) -> None:
        """Raise ValueError when there is none, or two have one name."""
        names = [section.collection for section in sections]
        if not names or len(set(names)) < len(names):
            raise ValueError(f"not the names of sections: {names}")
        self._sections = sections

    async def list_page(self, user_id: str, position: DataPosition | None) -> PersonalDataPage:
        """Return a page of one section; see `PersonalDataSource`."""
        at = position or DataPosition(self._sections[0].collection)
        number = self._find_section(at.collection)
        section = self._sections[number]
        found = await section.read(user_id, at.after)
        records = tuple(PersonalRecord(section.collection, _encode(fields)) for fields in found.records)
        if found.after:
            return PersonalDataPage(records, DataPosition(section.collection, found.after))
        following = self._sections[number + 1 : number + 2]
        return PersonalDataPage(records, DataPosition(following[0].collection) if following else None)

    def _find_section(self, collection: str) -> int:
        for number, section in enumerate(self._sections):
            if section.collection == collection:
                return number
        raise invalid_argument(
            Violation("pageToken", "is of another version of this service; leave it out to start again"),
            reason="INVALID_PAGE_TOKEN",
        )


async def iterate_personal_data(source: PersonalDataSource, user_id: str) -> AsyncIterator[PersonalRecord]:
    """Yield all that a source holds of a person."""
    position: DataPosition | None = None
    while True:
        page = await source.list_page(user_id, position)
        for record in page.records:
            yield record
        if page.next_position is None:
            return
        position = page.next_position


def read_single(find: Callable[[str], Awaitable[JsonFields | None]]) -> ReadSection:
    """Return the reader of a section with one record at most."""

    async def read(user_id: str, _: str) -> SectionPage:
        found = await find(user_id)
        return SectionPage(() if found is None else (found,))

    return read


def section_page(
    rows: Sequence[T], limit: int, to_fields: Callable[[T], JsonFields], key_of: Callable[[T], str]
) -> SectionPage:
    """Return the page of rows of which `limit` were asked for."""
    return SectionPage(tuple(map(to_fields, rows)), key_of(rows[-1]) if rows and len(rows) >= limit else "")


def personal_fields(entity: Any, *, without: Sequence[str] = ()) -> dict[str, Any]:
    """Return the fields of a dataclass instance as JSON names them, but for those `without`, at any depth.

    Times are as in RFC 3339, enums their values, bytes Base64.
    """
    fields: dict[str, Any] = _as_json(msgspec.to_builtins(entity), frozenset(without))
    return fields


def _as_json(value: Any, without: frozenset[str]) -> Any:
    if isinstance(value, Mapping):
        return {
            _json_name(name): _as_json(each, without) for name, each in value.items() if name not in without
        }
    if isinstance(value, list | tuple):
        return [_as_json(each, without) for each in value]
    return value


def _json_name(name: str) -> str:
    first, *others = name.strip("_").split("_")
    return first + "".join(map(str.capitalize, others))


def _encode(fields: JsonFields) -> str:
    return orjson.dumps(fields).decode()
