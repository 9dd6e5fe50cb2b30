"""Searching over HTTP as people do: typed words, completions, and places by their names."""

import secrets
from typing import Any

import pytest

from devstack.journey.client import ApiError, ApiUser, Json, wait_for_result
from devstack.journey.main_journey import sample_listing

PATH = "/api/v1/internships"


def published(owner: ApiUser, **changes: Any) -> Json:
    draft = owner.post(PATH, **sample_listing("x") | changes)
    return owner.post(f"{PATH}/{draft['id']}:publish")


def found(person: ApiUser, **query: Any) -> Json | None:
    """Return the hit once all words match: a search may find a new entry by some of its words first."""
    answer = person.get(PATH, **query)
    return answer if answer["data"] and answer["matchKind"] == "MATCH_KIND_ALL" else None


def test_a_listing_without_coordinates_is_found_by_words_for_facts_by_distance_and_by_completion(
    owner: ApiUser, student: ApiUser
) -> None:
    word = f"Zq{secrets.token_hex(4)}"
    made = published(
        owner,
        title=f"{word} Keeper",
        locations=[{"city": "Lodz", "country": "PL"}],
        workMode="WORK_MODE_REMOTE",
    )
    assert round(made["locations"][0]["lat"]) == 52
    query = f"remote {word.lower()} internship in łódź"
    answer = wait_for_result(lambda: found(student, q=query), "the listing in the search results")
    assert [hit["id"] for hit in answer["data"]] == [made["id"]]
    assert {each["name"]: each["value"] for each in answer["appliedFilters"]} == {
        "workMode": "WORK_MODE_REMOTE",
        "city": "Łódź",
    }
    assert (answer["matchKind"], answer["totalSize"]) == ("MATCH_KIND_ALL", 1)
    near = student.get(PATH, q=word, nearLat=51.77, nearLng=19.46, radiusKm=20)
    assert [hit["id"] for hit in near["data"]] == [made["id"]]

    def completed() -> bool | None:
        suggestions = student.get(f"{PATH}:suggest", q=word[:7])["suggestions"]
        return f"{word} Keeper" in [each["text"] for each in suggestions] or None

    assert wait_for_result(completed, "the listing's title among the suggestions")


def test_a_city_that_nobody_knows_is_named_before_the_listing_is_published(owner: ApiUser) -> None:
    with pytest.raises(ApiError) as refused:
        published(owner, locations=[{"city": "Xyzzyville", "country": "PL"}])
    [(field, description)] = refused.value.violations.items()
    assert "locations[0]" in field
    assert "Xyzzyville" in description


def test_symbols_alone_find_nothing_and_say_why(student: ApiUser) -> None:
    answer = student.get(PATH, q="🚀")
    assert answer["data"] == []
    assert "letters or digits" in answer["note"]
