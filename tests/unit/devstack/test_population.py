"""Who and what a stack is seeded with: the same from the same number, and plausible."""

import itertools
from collections import Counter
from datetime import UTC, datetime, timedelta

from devstack.seed.places import SEED_COUNTRIES, load_cities
from devstack.seed.population import APPLICATION_COURSES, ListingOutcome, Population, spread_times

POPULATION = Population(1, companies=20, students=300, listings=400)
LISTINGS = list(POPULATION.listings())
APPLICATIONS = list(POPULATION.applications(200, LISTINGS))


def test_the_same_number_gives_the_same_people_and_listings_and_another_number_others() -> None:
    again = Population(1, companies=20, students=300, listings=400)
    assert again.companies == POPULATION.companies
    assert list(again.students()) == list(POPULATION.students())
    assert list(again.listings()) == LISTINGS
    assert list(again.applications(200, LISTINGS)) == APPLICATIONS
    assert Population(2, companies=20, students=1, listings=1).companies != POPULATION.companies


def test_listings_are_where_students_are_and_lie_where_the_city_is() -> None:
    found = Counter(listing.city.name for listing in LISTINGS)
    assert max(found.values()) < 0.25 * len(LISTINGS)
    wide = Counter(student.city.name for student in POPULATION.students())
    assert {"Berlin", "London", "Bengaluru", "São Paulo", "New York City"} <= set(wide)
    by_name = {city.name: city for city in load_cities()}
    assert (round(by_name["Berlin"].lat), round(by_name["Berlin"].lng)) == (53, 13)
    assert (round(by_name["São Paulo"].lat), round(by_name["São Paulo"].lng)) == (-24, -47)
    assert (round(by_name["London"].lat), round(by_name["London"].lng)) == (52, 0)
    assert {city.country for city in load_cities()} <= set(SEED_COUNTRIES)


def test_a_listing_says_all_that_an_applicant_wants_to_know() -> None:
    for listing in LISTINGS:
        assert listing.description.count(".") >= 4
        assert len(listing.responsibilities) >= 3
        assert len(listing.qualifications) >= 3
        assert listing.days_until_start > listing.days_until_deadline
        assert len({question.id for question in listing.questions}) == len(listing.questions)
    assert sum(bool(listing.questions) for listing in LISTINGS) > len(LISTINGS) / 2
    assert sum(bool(listing.documents) for listing in LISTINGS) > len(LISTINGS) / 2
    assert {listing.outcome for listing in LISTINGS} == set(ListingOutcome)


def test_the_first_company_has_open_listings_and_applicants_in_every_stage() -> None:
    own = [index for index, listing in enumerate(LISTINGS) if listing.company == 0]
    assert len(own) >= 10
    states = {each.course[-1] for each in APPLICATIONS if LISTINGS[each.listing].company == 0}
    assert states == {course[-1] for _, course in APPLICATION_COURSES}


def test_no_more_are_hired_than_a_listing_has_openings_and_nobody_applies_twice() -> None:
    hired = Counter(each.listing for each in APPLICATIONS if each.course[-1] == "HIRED")
    assert all(count <= LISTINGS[index].openings for index, count in hired.items())
    pairs = [(each.student, each.listing) for each in APPLICATIONS]
    assert len(set(pairs)) == len(pairs)


def test_companies_have_different_names_and_addresses_that_belong_to_nobody() -> None:
    many = Population(1, companies=3_000, students=1, listings=1).companies
    assert len({company.name for company in many}) == len(many)
    assert all(company.url.endswith(".example.com") for company in many)


def test_answers_come_after_lively_pauses_in_their_order_within_the_time() -> None:
    start = datetime(2027, 3, 1, tzinfo=UTC)
    end = start + timedelta(days=16)
    gaps = set()
    for each in APPLICATIONS:
        times = spread_times(start, end, each.pauses)
        assert len(times) == len(each.course)
        assert start < times[0]
        assert times == sorted(times)
        assert times[-1] < end
        gaps |= {
            round((later - earlier) / timedelta(hours=1)) for earlier, later in itertools.pairwise(times)
        }
    assert len(gaps) > 40, "responses take hours, or days"
