"""Searches, hits and index entries as messages and back."""

from dataclasses import replace

import pytest

from chassis.errors import DomainError
from chassis.search.gazetteer import shared_gazetteer
from chassis.search.query_parser import ParsedQuery
from chassis.search.totals import TotalEstimate
from internshipconnect.common.v1 import common_pb2 as common
from internshipconnect.internship.v1 import internship_pb2 as pb
from services.internship.domain.model import DateWindow, Eligibility, Employment, ListingState, WorkMode
from services.internship.mapping.listings import listing_to_message
from services.internship.mapping.search import (
    index_entry_from_message,
    search_page_to_message,
    search_request_from_message,
)
from services.internship.search.query import FacetDimension, GeoCircle, SearchOrder
from services.internship.search.requests import FacetCount, SearchHit, SearchPage
from tests.unit.internship.samples import COMPANY, DEADLINE, NOW, listing

OPEN = replace(listing(ListingState.OPEN), version=7, publish_time=NOW)


def test_a_request_becomes_filters_by_key() -> None:
    message = pb.ListInternshipsRequest(
        q="rust",
        skills=["Python "],
        city="Berlin",
        work_mode=common.WORK_MODE_REMOTE,
        near_lat=52.5,
        near_lng=13.4,
        sort=pb.INTERNSHIP_SORT_NEWEST,
        with_facets=True,
    )
    request = search_request_from_message(message, shared_gazetteer())
    assert (request.text, request.sort, request.with_counts) == ("rust", SearchOrder.NEWEST, True)
    assert request.filters.skills == ("python",)
    assert request.filters.work_mode is WorkMode.REMOTE
    assert request.filters.near == GeoCircle(52.5, 13.4, 50)
    assert request.filters.cities[-1] == "berlin"


@pytest.mark.parametrize(
    ("message", "field"),
    [
        (pb.ListInternshipsRequest(min_hourly_pay_minor=1_000), "currency"),
        (pb.ListInternshipsRequest(sort=pb.INTERNSHIP_SORT_PAY), "currency"),
        (pb.ListInternshipsRequest(min_duration_weeks=9, max_duration_weeks=4), "maxDurationWeeks"),
        (pb.ListInternshipsRequest(radius_km=5), "radiusKm"),
    ],
)
def test_conflicting_filters_are_refused(message: pb.ListInternshipsRequest, field: str) -> None:
    with pytest.raises(DomainError) as refusal:
        search_request_from_message(message, shared_gazetteer())
    assert [violation.field for violation in refusal.value.violations] == [field]


def test_facts_in_fields_are_terms_that_words_can_ask_for() -> None:
    posting = replace(
        OPEN.posting,
        employment=Employment.PART_TIME,
        hours_per_week=20,
        start_window=DateWindow(first="2027-06-10", last="2027-07-25"),
        eligibility=Eligibility(school_years=("3rd year",), majors=("Geography",)),
    )
    entry = index_entry_from_message(listing_to_message(replace(OPEN, posting=posting), NOW))
    assert {"%part-time", "%hours-20", "%weeks-12", "%starts-2027-summer", "geography"} <= set(entry.terms)
    assert "%starts-any" not in entry.terms


def test_a_listing_that_does_not_say_when_it_starts_starts_at_any_time() -> None:
    entry = index_entry_from_message(listing_to_message(OPEN, NOW))
    assert "%starts-any" in entry.terms


def test_an_events_listing_becomes_an_entry_with_its_hit() -> None:
    entry = index_entry_from_message(listing_to_message(OPEN, NOW))
    hit = pb.InternshipHit.FromString(entry.hit)
    assert (entry.id, entry.version, entry.publish_time, entry.apply_deadline) == (OPEN.id, 7, NOW, DEADLINE)
    assert (entry.company.key, entry.company.name) == (COMPANY.id, COMPANY.name)
    assert (hit.id, hit.title, hit.company.name) == (OPEN.id, OPEN.posting.title, COMPANY.name)
    assert [(place.lat, place.lng) for place in hit.locations] == [(52.52, 13.405)]
    assert [spot.at.coordinates for spot in entry.spots] == [(13.405, 52.52)]


def test_a_page_names_facets_totals_and_missing_shards() -> None:
    entry = index_entry_from_message(listing_to_message(OPEN, NOW))
    page = SearchPage(
        hits=[SearchHit(entry.hit, entry.description)],
        reading=ParsedQuery(),
        facets={FacetDimension.WORK_MODE: [FacetCount("HYBRID", "HYBRID", 3)]},
        missing=["s2"],
        total=TotalEstimate(12, is_estimate=True),
        now=NOW,
    )
    request = pb.ListInternshipsRequest(skills=["SQL"])
    answer = search_page_to_message(page, request, shared_gazetteer())
    assert [(hit.id, hit.days_left, list(hit.match_reasons)) for hit in answer.data] == [
        (OPEN.id, 14, ["skill: SQL"])
    ]
    [facet] = answer.facets
    assert [(count.value, count.count) for count in facet.counts] == [("WORK_MODE_HYBRID", 3)]
    assert (answer.total_size, answer.total_is_estimate, list(answer.missing_shards)) == (12, True, ["s2"])
    assert answer.note == ""
