"""The listings of a seeded stack, made by the code that seeds one, as the search index keeps them."""

from collections.abc import Iterator
from datetime import timedelta

from chassis.ids import new_id, slot_of
from devstack.seed.messages import posting_message
from devstack.seed.population import ListingOutcome, Population, SeedListing
from internshipconnect.internship.v1 import internship_pb2 as pb
from services.internship.domain.derived import hourly_pay_minor
from services.internship.mapping.listings import posting_from_message
from services.internship.mapping.search import index_entry_from_message
from services.internship.search.index_entry import IndexEntry
from tests.integration.internship.harness import NOW

SEED_NUMBER, SEED_COMPANIES, SEED_LISTINGS = 1, 50, 1_500
_PUBLISHED_AFTER = timedelta(hours=2)


def seeded_entries() -> Iterator[IndexEntry]:
    """Yield the entries of the open listings that `ic seed` makes, as if it ran at `NOW`."""
    population = Population(SEED_NUMBER, companies=SEED_COMPANIES, students=0, listings=SEED_LISTINGS)
    companies = [
        pb.CompanyRef(id=new_id("cmp", at=NOW, seed=f"seeded-{index}".encode()), name=company.name)
        for index, company in enumerate(population.companies)
    ]
    for index, listing in enumerate(population.listings()):
        if listing.outcome is ListingOutcome.OPEN and listing.days_until_deadline > 0:
            yield index_entry_from_message(_message(listing, companies[listing.company], index))


def _message(listing: SeedListing, company: pb.CompanyRef, index: int) -> pb.Internship:
    published = NOW - listing.age + _PUBLISHED_AFTER
    message = posting_message(listing, NOW)
    message.company.CopyFrom(company)
    message.id = new_id("int", slot_of(company.id), at=published, seed=f"seeded-{index}".encode())
    message.state = pb.INTERNSHIP_STATE_OPEN
    message.version = 2
    message.effective_hourly_pay_minor = hourly_pay_minor(posting_from_message(message))
    message.publish_time.FromDatetime(published)
    return message
