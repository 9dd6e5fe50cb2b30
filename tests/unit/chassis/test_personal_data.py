"""The list of what a service holds of a person."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from itertools import islice

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.errors import DomainError
from chassis.personal_data import (
    DataPosition,
    PersonalDataSection,
    ReadSection,
    SectionedPersonalData,
    SectionPage,
    iterate_personal_data,
    personal_fields,
    read_single,
    section_page,
)

PERSON = "usr_01JD0000000000000000000000"


def reader_of(numbers: Sequence[int], limit: int) -> ReadSection:
    """Return a section with these numbers, in ascending order."""

    async def read(_: str, after: str) -> SectionPage:
        rows = list(islice((each for each in numbers if not after or each > int(after)), limit))
        return section_page(rows, limit, lambda row: {"number": row}, str)

    return read


async def listed(source: SectionedPersonalData) -> list[tuple[str, int]]:
    return [
        (each.collection, orjson.loads(each.json)["number"])
        async for each in iterate_personal_data(source, PERSON)
    ]


@given(st.lists(st.sets(st.integers(0, 50), max_size=9), min_size=1, max_size=4), st.integers(1, 4))
async def test_every_record_of_every_section_comes_once_and_in_order(
    sections: list[set[int]], limit: int
) -> None:
    source = SectionedPersonalData(
        *(
            PersonalDataSection(f"section-{place}", reader_of(sorted(numbers), limit))
            for place, numbers in enumerate(sections)
        )
    )
    expected = [
        (f"section-{place}", number) for place, numbers in enumerate(sections) for number in sorted(numbers)
    ]
    assert await listed(source) == expected


async def test_a_section_of_one_record_is_empty_without_it() -> None:
    async def find(user_id: str) -> dict[str, int] | None:
        return {"number": 7} if user_id == PERSON else None

    source = SectionedPersonalData(PersonalDataSection("account", read_single(find)))
    assert await listed(source) == [("account", 7)]
    assert [each async for each in iterate_personal_data(source, "usr_other")] == []


async def test_a_position_in_a_section_that_is_gone_is_refused() -> None:
    source = SectionedPersonalData(PersonalDataSection("account", reader_of([1], 1)))
    with pytest.raises(DomainError) as refused:
        await source.list_page(PERSON, DataPosition("former"))
    assert refused.value.reason == "INVALID_PAGE_TOKEN"


@pytest.mark.parametrize("names", [(), ("account", "account")])
def test_sections_have_names_that_tell_them_apart(names: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="not the names of sections"):
        SectionedPersonalData(*(PersonalDataSection(name, reader_of([], 1)) for name in names))


class Colour(StrEnum):
    RED = "RED"


@dataclass(frozen=True)
class Inner:
    token_digest: bytes
    from_: str = "here"


@dataclass(frozen=True)
class Outer:
    create_time: datetime
    colour: Colour
    inner_parts: tuple[Inner, ...]
    token_digest: bytes = b"secret"


def test_fields_are_named_as_json_has_them_and_secrets_are_left_out_at_any_depth() -> None:
    entity = Outer(datetime(2027, 1, 2, 3, 4, tzinfo=UTC), Colour.RED, (Inner(b"secret"),))
    assert personal_fields(entity, without=("token_digest",)) == {
        "createTime": "2027-01-02T03:04:00Z",
        "colour": "RED",
        "innerParts": [{"from": "here"}],
    }
