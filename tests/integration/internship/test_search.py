"""Search on real shards against a search by hand, and what it promises around the edges."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from chassis.call_context import acting_as
from chassis.clock import FixedClock
from chassis.search.gazetteer import shared_gazetteer
from chassis.search.query_parser import QueryParser
from chassis.sharding.shards import Shards
from internshipconnect.common.v1 import common_pb2 as common
from internshipconnect.internship.v1 import internship_pb2 as pb
from services.internship.mapping.search import search_request_from_message
from services.internship.repository import COLLECTIONS, search_collection
from services.internship.repository import search_pipeline as store
from services.internship.repository.search_index import MongoSearchIndex
from services.internship.search.company_cap import MAX_PER_COMPANY
from services.internship.search.grammar import LISTING_GRAMMAR
from services.internship.search.query import FacetDimension, SearchQuery, effective_sort
from tests.databases import own_databases
from tests.integration.internship.generated_listings import BruteForceSearch, entries
from tests.integration.internship.harness import CONTEXT, NOW, STUDENT, InternshipHarness, parsed
from tests.integration.internship.test_listings import refused
from tests.stack import StackHandle

BERLIN = {"near_lat": 52.52, "near_lng": 13.405}

QUERIES: list[dict[str, Any]] = [
    {},
    {"q": "python"},
    {"q": "pyth"},
    {"q": "pyhton engineering"},
    {"q": "summer c++"},
    {"q": "data science berlin"},
    {"q": "interns", "sort": pb.INTERNSHIP_SORT_DEADLINE},
    {"q": "nothinglikethis"},
    {"skills": ["python", "SQL"]},
    {"skills": ["Machine learning"], "q": "statistics"},
    {"field": "software engineering", "sort": pb.INTERNSHIP_SORT_DEADLINE},
    {"city": "berlin"},
    {"country": "FR", "work_mode": common.WORK_MODE_REMOTE},
    {"min_hourly_pay_minor": 2000, "currency": "EUR", "sort": pb.INTERNSHIP_SORT_PAY},
    {"currency": "EUR", "sort": pb.INTERNSHIP_SORT_PAY},
    {"min_duration_weeks": 10, "max_duration_weeks": 20},
    {**BERLIN, "radius_km": 300},
    {**BERLIN, "radius_km": 500, "sort": pb.INTERNSHIP_SORT_DISTANCE},
    {**BERLIN, "q": "python", "radius_km": 500, "sort": pb.INTERNSHIP_SORT_DISTANCE},
    {"sort": pb.INTERNSHIP_SORT_NEWEST, "q": "sql"},
]
SIZED = 400
MARKET = entries(SIZED, companies=25)
CITIES = {city.key: city.name.lower() for entry in MARKET for city in entry.cities}


@pytest.fixture(scope="module")
async def market_shards() -> AsyncIterator[Shards]:
    """Yield databases with the market in their index."""
    async with own_databases(StackHandle.under_test(), "internship", COLLECTIONS) as shards:
        await asyncio.gather(*(MongoSearchIndex(shards, FixedClock(NOW)).put(entry) for entry in MARKET))
        yield shards


@pytest.fixture
async def market(market_shards: Shards, world: InternshipHarness) -> InternshipHarness:
    """Return the service over the market."""
    found = InternshipHarness(market_shards, world.cache, world.redis)
    await found.lexicon.reload()
    return found


def question_of(world: InternshipHarness, query: dict[str, Any]) -> SearchQuery:
    wanted = search_request_from_message(pb.ListInternshipsRequest(**query), shared_gazetteer())
    words = (
        QueryParser(LISTING_GRAMMAR, world.lexicon.vocabulary, shared_gazetteer()).parse(wanted.text).terms
    )
    return SearchQuery(words=words, filters=wanted.filters, sort=effective_sort(wanted.sort, words))


async def all_pages(world: InternshipHarness, query: dict[str, Any], size: int) -> list[list[str]]:
    pages, token = [], ""
    while True:
        found = await world.search(**query, page_size=size, page_token=token)
        pages.append([hit.id for hit in found.data])
        token = found.next_page_token
        assert len(token) <= 1000
        if not token:
            return pages


@pytest.mark.parametrize("query", QUERIES, ids=str)
async def test_the_first_page_is_the_one_found_by_hand(
    market: InternshipHarness, query: dict[str, Any]
) -> None:
    question, by_hand = question_of(market, query), BruteForceSearch(MARKET, NOW)
    found = await market.search(**query)
    assert [hit.id for hit in found.data] == by_hand.first_page(question, 20, MAX_PER_COMPANY)
    assert not found.missing_shards


@pytest.mark.parametrize("query", QUERIES, ids=str)
async def test_the_pages_hold_every_match_once(market: InternshipHarness, query: dict[str, Any]) -> None:
    expected = {
        entry.id: entry.company.key
        for entry in BruteForceSearch(MARKET, NOW).found(question_of(market, query))
    }
    pages = await all_pages(market, query, 17)
    assert Counter(each for page in pages for each in page) == Counter(expected.keys())
    for page in pages:
        assert max(Counter(expected[each] for each in page).values(), default=0) <= MAX_PER_COMPANY


async def test_one_companys_listings_are_not_held_back_when_it_is_asked_for(
    market: InternshipHarness,
) -> None:
    company, _ = Counter(entry.company.key for entry in MARKET).most_common(1)[0]
    query = {"company_id": company}
    expected = [entry.id for entry in BruteForceSearch(MARKET, NOW).found(question_of(market, query))]
    assert len(expected) > MAX_PER_COMPANY
    assert [each for page in await all_pages(market, query, 10) for each in page] == expected


@pytest.mark.parametrize(
    "query", [{}, {"q": "python"}, {"skills": ["Python"], "city": "Berlin"}, {**BERLIN, "field": "Design"}],
    ids=str,
)  # fmt: skip
async def test_facets_count_all_matches_and_ignore_their_own_filter(
    market: InternshipHarness, query: dict[str, Any]
) -> None:
    question, by_hand = question_of(market, query), BruteForceSearch(MARKET, NOW)
    facets = {facet.name: facet.counts for facet in (await market.search(**query, with_facets=True)).facets}
    for dimension in FacetDimension:
        matches = by_hand.found(question.without_dimension(dimension))
        expected = Counter(
            key
            for entry in matches
            for key in {
                FacetDimension.SKILL: [skill.key for skill in entry.skills],
                FacetDimension.FIELD: [entry.field.key],
                FacetDimension.CITY: [CITIES[city.key] for city in entry.cities],
                FacetDimension.WORK_MODE: [f"work_mode_{str(entry.work_mode).lower()}"],
                FacetDimension.COMPANY: [entry.company.key],
            }[dimension]
        )
        counted = {
            count.value if dimension is FacetDimension.COMPANY else count.value.lower(): count.count
            for count in facets[dimension.value]
        }
        assert sorted(counted.values(), reverse=True) == [n for _, n in expected.most_common(20)]
        assert all(expected[value] == count for value, count in counted.items() if value.isascii())


async def test_a_page_token_is_bound_to_its_query_and_caller(market: InternshipHarness) -> None:
    token = (await market.search(q="python")).next_page_token
    with refused("INVALID_PAGE_TOKEN"):
        await market.search(q="sql", page_token=token)
    with acting_as(replace(STUDENT, id="usr_01JD0000000000000000000000")), refused("INVALID_PAGE_TOKEN"):
        await market.api.ListInternships(pb.ListInternshipsRequest(q="python", page_token=token), CONTEXT)


async def test_a_hit_says_why_and_how_far(market: InternshipHarness) -> None:
    found = await market.search(q="pyhton", **BERLIN, radius_km=500, sort=pb.INTERNSHIP_SORT_DISTANCE)
    hit = found.data[0]
    assert "<em>" in hit.title_highlight + hit.snippet or "skill: Python" in hit.match_reasons
    assert hit.match_reasons[-1] == f"{hit.distance_km:.0f} km away"
    assert [each.distance_km for each in found.data] == sorted(each.distance_km for each in found.data)
    assert hit.days_left >= 1
    assert hit.company.name


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"min_hourly_pay_minor": 5}, "currency"),
        ({"min_duration_weeks": 9, "max_duration_weeks": 8}, "maxDurationWeeks"),
        ({"radius_km": 9}, "radiusKm"),
    ],
)
async def test_filters_that_do_not_go_together_are_named(
    market: InternshipHarness, query: dict[str, Any], field: str
) -> None:
    with refused("INVALID_FIELD") as wrong:
        await market.search(**query)
    assert [each.field for each in wrong.value.violations] == [field]


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ({}, search_collection.NEWEST_INDEX),
        ({"q": "python"}, search_collection.TERMS_INDEX),
        ({"q": "python sql "}, search_collection.TERMS_INDEX),
        ({"skills": ["Python"]}, search_collection.SKILL_INDEX),
        ({"city": "Berlin"}, search_collection.CITY_INDEX),
        ({"field": "Design"}, search_collection.FIELD_INDEX),
        ({"sort": pb.INTERNSHIP_SORT_DEADLINE}, search_collection.DEADLINE_INDEX),
        ({"currency": "EUR", "sort": pb.INTERNSHIP_SORT_PAY}, search_collection.PAY_INDEX),
        ({**BERLIN}, search_collection.POINTS_INDEX),
    ],
)
async def test_a_question_is_narrowed_by_its_index(
    market: InternshipHarness, query: dict[str, Any], name: str
) -> None:
    question = question_of(market, query)
    pipeline = store.match_pipeline(question, store.KeyRange(), 50, NOW)
    explained = await market.shards.all_shards()[0].db.command(
        "explain",
        {
            "aggregate": search_collection.SEARCH_COLLECTION,
            "pipeline": pipeline,
            "cursor": {},
            "hint": store.choose_index(question),
        },
        verbosity="queryPlanner",
    )
    assert f"'indexName': '{name}'" in str(explained)
    assert "COLLSCAN" not in str(explained)


async def test_a_published_listing_is_found_and_a_closed_one_no_longer(world: InternshipHarness) -> None:
    owner = world.companies.add("Zyxomat Industries")
    opened = await world.published(owner, title="Quokka Keeper")
    await world.index()
    assert [hit.id for hit in (await world.search(q="quoka")).data] == [opened.id]
    assert [hit.id for hit in (await world.search(q="zyxo")).data] == [opened.id]
    with acting_as(owner):
        await world.api.CloseInternship(pb.CloseInternshipRequest(internship_id=opened.id), CONTEXT)
    await world.index()
    assert not (await world.search(q="quokka")).data


async def test_a_listing_past_its_deadline_is_not_found_though_nobody_has_swept(
    world: InternshipHarness,
) -> None:
    owner = world.companies.add("Acme")
    await world.published(owner, title="Wombat Keeper")
    await world.index()
    world.clock.advance(timedelta(days=14))
    assert not (await world.search(q="wombat")).data


async def test_late_news_never_overwrites_newer(shards: Shards) -> None:
    entry = replace(MARKET[0], version=5)
    db, index = shards.shard_for(entry.id).db, MongoSearchIndex(shards, FixedClock(NOW))
    assert await index.put(entry)
    assert not await index.put(replace(entry, version=4))
    assert await index.delete(entry.id, 7)
    assert not await index.put(replace(entry, version=6))
    stored = await db[search_collection.SEARCH_COLLECTION].find_one({"_id": entry.id})
    assert stored is not None
    assert (stored["version"], "terms" in stored) == (7, False)


async def test_what_was_just_indexed_is_in_the_next_anonymous_answer(world: InternshipHarness) -> None:
    async def ask() -> list[str]:
        with acting_as(None):
            answer = await world.api.ListInternships(pb.ListInternshipsRequest(q="numbat"), CONTEXT)
        return [hit.id for hit in parsed(pb.ListInternshipsResponse, answer).data]

    await world.lexicon.reload()
    assert await ask() == []
    opened = await world.published(world.companies.add("Acme"), title="Numbat Keeper")
    world.clock.advance(timedelta(seconds=1))
    await world.deliver()
    await world.lexicon.poll()
    assert await ask() == [opened.id]
    assert world.lexicon.vocabulary.count("numbat")
