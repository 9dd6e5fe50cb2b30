"""A share of the people of a population, written in bulk."""

from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack

from devstack.local_cluster import LocalCluster
from devstack.seed.bulk_store import BulkStore
from devstack.seed.documents import EMAIL_DIRECTORY, DocumentSet
from devstack.seed.people import SeededPerson, seeded_company, seeded_student
from devstack.seed.seed_plan import SeedPlan
from devstack.seed.shares import Share, take_next

PEOPLE_PER_WRITE = 500


async def seed_people(plan: SeedPlan, share: Share, progress: Callable[[str, int], None]) -> None:
    """Write the share's companies and students; an account that exists already is left as it is."""
    async with AsyncExitStack() as closing:
        store = await BulkStore.open(LocalCluster.load(plan.topology), closing)
        for what, people in (("companies", _companies(plan, share)), ("students", _students(plan, share))):
            while some := await take_next(people, PEOPLE_PER_WRITE):
                await _write_people(store, some)
                progress(what, len(some))


def _companies(plan: SeedPlan, share: Share) -> Iterator[SeededPerson]:
    for company in share.of(plan.population.companies):
        yield seeded_company(company, plan.password_hash, plan.people_time)


def _students(plan: SeedPlan, share: Share) -> Iterator[SeededPerson]:
    for index in share.of(range(plan.population.student_count)):
        yield seeded_student(plan.population.student(index), plan.password_hash, plan.people_time)


async def _write_people(store: BulkStore, people: list[SeededPerson]) -> None:
    """Reserve the addresses first: an address that belongs to another user gets no second account."""
    entries = DocumentSet()
    entries.add(EMAIL_DIRECTORY, *(person.directory_entry for person in people))
    await store.insert_missing(entries)
    owners = await store.find_user_ids(person.address for person in people)
    documents = DocumentSet()
    for person in people:
        if owners.get(person.address) == person.user_id:
            documents.merge(person.documents)
    await store.insert_missing(documents)
