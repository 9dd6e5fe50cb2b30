"""A share of the listings of a population with their applications, written in bulk."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import takewhile
from typing import Final, cast

from chassis.clock import SystemClock, truncate_to_milliseconds
from chassis.ids import new_id, slot_of
from chassis.search.gazetteer import shared_gazetteer
from devstack.local_cluster import LocalCluster
from devstack.seed.bulk_store import BulkStore
from devstack.seed.documents import (
    APPLICATIONS,
    DELETED_LISTINGS,
    LISTINGS,
    SEARCH_LISTINGS,
    DocumentSet,
)
from devstack.seed.listing_documents import (
    CompanyFigures,
    add_application_views,
    add_listing_documents,
    application_document,
)
from devstack.seed.listing_history import (
    ListingHistory,
    ListingOwner,
    ListingPlan,
    PlannedApplication,
    build_listing_history,
    listing_id,
    listing_operation_id,
)
from devstack.seed.messages import application_message
from devstack.seed.population import SeedApplication, SeedListing
from devstack.seed.seed_plan import SeedPlan
from devstack.seed.shares import Share
from devstack.seed.timeline import OFFER_LIFETIME, application_times
from services.application.domain.model import ApplicationState
from services.application.domain.submission import StudentSnapshot
from services.application.mapping import answers_from_request, student_from_message
from services.application.settings import ApplicationSettings
from services.auth.domain.addresses import normalise_address
from services.auth.repository import AccountRepository
from services.internship.domain.model import ListingCompany
from services.internship.domain.moderation import CompanyStanding
from services.internship.repository.listings import ListingRepository
from services.user.mapping import student_snapshot
from services.user.repository import CompanyRepository, ProfileRepository

LISTINGS_PER_WRITE: Final = 500
_STATES_WITH_OPENING: Final = frozenset({ApplicationState.OFFERED, ApplicationState.HIRED})

ApplicationsByListing = Mapping[int, Sequence[SeedApplication]]


@dataclass
class WrittenListings:
    """What a share has written: the changes of companies' figures, and whose figures have to be recounted."""

    figures: CompanyFigures = field(default_factory=CompanyFigures)
    listings: int = 0
    applications: int = 0
    known_companies: set[str] = field(default_factory=set)
    """Companies with listings of an earlier run."""
    changed_listings: set[str] = field(default_factory=set)
    """Listings of an earlier run that have more applications now."""
    reads: set[tuple[str, str]] = field(default_factory=set)
    """The new listings that were read, each with a reader."""


async def seed_listings(
    plan: SeedPlan,
    applications: ApplicationsByListing,
    share: Share,
    progress: Callable[[str, int], None],
) -> WrittenListings:
    """Write the share's listings with their applications.

    A listing of an earlier run stays as it is; applications that are new for it are added.
    """
    async with AsyncExitStack() as closing:
        store = await BulkStore.open(LocalCluster.load(plan.topology), closing)
        writer = _ShareWriter(plan, store, await _find_owners(plan, store))
        indices = share.of(range(plan.population.listing_count))
        for first in range(0, len(indices), LISTINGS_PER_WRITE):
            some = indices[first : first + LISTINGS_PER_WRITE]
            chosen = {index: applications[index] for index in some if index in applications}
            await writer.write(some, chosen)
            progress("listings", len(some))
            progress("applications", sum(map(len, chosen.values())))
        return writer.written


async def _find_owners(plan: SeedPlan, store: BulkStore) -> list[ListingOwner]:
    """Return the owner of each company of the population, as they are stored."""
    addresses = [normalise_address(company.email) for company in plan.population.companies]
    user_ids = await store.find_user_ids(addresses)
    found = await store.get_each(AccountRepository(store.shards("auth")), user_ids.values())
    accounts = {each.id: each for each in found}
    company_ids = [each.holder.company_id for each in found]
    pages = {
        each.id: each for each in await store.get_each(CompanyRepository(store.shards("user")), company_ids)
    }

    def owner_of(address: str) -> ListingOwner:
        account = accounts[user_ids[address]]
        page = pages[account.holder.company_id]
        return ListingOwner(
            user_id=account.id,
            role=str(account.holder.role or ""),
            company=ListingCompany(id=page.id, name=page.name, url=page.url),
            standing=CompanyStanding(id=page.id).with_state(page.state, page.version),
        )

    return [owner_of(address) for address in addresses]


class _ShareWriter:
    def __init__(self, plan: SeedPlan, store: BulkStore, owners: Sequence[ListingOwner]) -> None:
        self._plan = plan
        self._store = store
        self._owners = owners
        self._policy = cast("ApplicationSettings", store.resources["application"].settings).policy()
        self._profiles = ProfileRepository(store.shards("user"), shared_gazetteer())
        self._listings = ListingRepository(store.shards("internship"), SystemClock())
        self.written = WrittenListings()

    async def write(self, indices: Sequence[int], applications: ApplicationsByListing) -> None:
        """Write the listings of these indices, with their applications."""
        listings = {index: self._plan.population.listing(index) for index in indices}
        ids = {index: self._id_of(index, each) for index, each in listings.items()}
        stored = await self._store.existing_ids(LISTINGS, list(ids.values()))
        deleted = await self._store.existing_ids(DELETED_LISTINGS, list(ids.values()))
        students = await self._find_students(applications)
        documents = DocumentSet()
        for index, each in listings.items():
            # This process has to confirm its leases on the shards while it makes documents.
            await asyncio.sleep(0)
            if ids[index] in stored | deleted:
                self.written.known_companies.add(self._owner_of(each).company.id)
                continue
            planned = self._plan_each(each, ids[index], applications.get(index, ()), students)
            plan = ListingPlan(self._plan.request.number, index, each, self._owner_of(each), planned)
            history = build_listing_history(plan, self._policy, self._plan.listing_time)
            add_listing_documents(documents, self.written.figures, history, self._plan.listing_time)
            self.written.applications += len(history.applications)
            readers = _readers_of(applications.get(index, ()))
            self.written.reads |= {(ids[index], students[each].id) for each in readers if each in students}
        documents.stamp(SEARCH_LISTINGS, "index_time", truncate_to_milliseconds(datetime.now(UTC)))
        await self._store.insert_missing(documents)
        for index in (index for index in applications if ids[index] in stored):
            planned = self._plan_each(listings[index], ids[index], applications[index], students)
            await self._add_applications(ids[index], planned, self._owner_of(listings[index]))
        self.written.listings += sum(id_ not in deleted for id_ in ids.values())

    async def _add_applications(
        self, id_: str, planned: Sequence[PlannedApplication], owner: ListingOwner
    ) -> None:
        """Add the applications that a stored listing does not have yet, none of which takes an opening."""
        known = await self._store.existing_ids(APPLICATIONS, [each.id for each in planned])
        self.written.applications += len(known)
        if len(known) == len(planned):
            return
        [listing] = await self._store.get_each(self._listings, [id_])
        history = ListingHistory(listing, owner, self._policy, announced=listing)
        history.run(_without_opening(each) for each in planned if each.id not in known)
        history.settle_due(self._plan.listing_time)
        stored = await self._insert_applications(history)
        documents = DocumentSet()
        add_application_views(documents, history, stored)
        await self._store.insert_missing(documents)
        self.written.applications += len(stored)
        self.written.changed_listings.add(id_)

    async def _insert_applications(self, history: ListingHistory) -> set[str]:
        """Store applications; return the IDs of all but those whose student has a live one already."""
        documents = DocumentSet()
        documents.add(APPLICATIONS, *map(application_document, history.applications.values()))
        await self._store.insert_missing(documents)
        return await self._store.existing_ids(APPLICATIONS, list(history.applications))

    def _owner_of(self, each: SeedListing) -> ListingOwner:
        return self._owners[each.company]

    def _id_of(self, index: int, each: SeedListing) -> str:
        company_id = self._owner_of(each).company.id
        operation_id = listing_operation_id(self._plan.request.number, index, company_id)
        return listing_id(each, operation_id, company_id, self._plan.listing_time)

    async def _find_students(self, applications: ApplicationsByListing) -> dict[int, StudentSnapshot]:
        """Return the students who apply or read, as the user service answers them, by index."""
        wanted = {student for each in applications.values() for student in _readers_of(each)}
        addresses = {normalise_address(self._plan.population.student(index).email): index for index in wanted}
        user_ids = await self._store.find_user_ids(addresses)
        indices = {user_id: addresses[address] for address, user_id in user_ids.items()}
        found = await self._store.get_each(self._profiles, indices)
        return {indices[each.id]: student_from_message(student_snapshot(each)) for each in found}

    def _plan_each(
        self,
        listing: SeedListing,
        id_: str,
        applications: Iterable[SeedApplication],
        students: Mapping[int, StudentSnapshot],
    ) -> list[PlannedApplication]:
        return [
            self._plan_application(each, listing, id_, students[each.student])
            for each in applications
            if each.student in students
        ]

    def _plan_application(
        self, each: SeedApplication, listing: SeedListing, id_: str, student: StudentSnapshot
    ) -> PlannedApplication:
        times = application_times(each, self._plan.listing_time)
        operation_id = f"seed:{self._plan.request.number}:application:{id_}:{student.id}"
        written = application_message(each, listing)
        states = [ApplicationState(state) for state in each.course]
        return PlannedApplication(
            id=new_id("app", slot_of(student.id), at=times[0], seed=operation_id.encode()),
            operation_id=operation_id,
            student=student,
            answers=tuple(answers_from_request(written)),
            cover_letter=written.cover_letter,
            course=tuple(zip(states, times, strict=True)),
            offer_expire_time=self._plan.listing_time + OFFER_LIFETIME,
        )


def _readers_of(applications: Iterable[SeedApplication]) -> set[int]:
    """Return the students who read a listing: who applies, and who only looks."""
    return {student for each in applications for student in (each.student, *each.onlookers)}


def _without_opening(plan: PlannedApplication) -> PlannedApplication:
    """Return the plan without an offer: the openings of a stored listing are not counted again."""
    kept = tuple(takewhile(lambda step: step[0] not in _STATES_WITH_OPENING, plan.course))
    return replace(plan, course=kept)
