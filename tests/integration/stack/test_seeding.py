"""Seed data in bulk: what the services would have written, once, and complete after a break-off."""

import asyncio
import re
import secrets
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack, suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import uvloop

from chassis.ids import slot_of
from chassis.mongo.documents import Document
from devstack.seed import documents as places
from devstack.seed import seeder
from devstack.seed.bulk_store import BulkStore
from devstack.seed.documents import DocumentSet, Place
from devstack.seed.population import Population, SeedApplication
from devstack.seed.seed_plan import SeedPlan, SeedRequest
from internshipconnect.internship.v1 import internship_pb2 as pb
from tests.integration.stack.servicer_seeder import seed_by_servicers
from tests.stack import StackHandle
from tests.waiting import wait_until, wait_until_blocking
from verify.bench.paused_processes import pause_processes

pytestmark = pytest.mark.timeout(300)

ALL_PLACES = [each for each in vars(places).values() if isinstance(each, Place)]
NUMBER, COMPANIES, STUDENTS, LISTINGS = 11, 2, 12, 24
# The first four listings are the open ones of the first company.
COURSES = (
    (0, ("SUBMITTED", "IN_REVIEW", "INTERVIEW", "OFFERED", "HIRED")),
    (1, ("SUBMITTED", "IN_REVIEW", "INTERVIEW", "OFFERED")),
    (2, ("SUBMITTED", "IN_REVIEW", "REJECTED")),
    (2, ("SUBMITTED", "WITHDRAWN")),
    (3, ("SUBMITTED", "IN_REVIEW", "SHORTLISTED")),
    (3, ("SUBMITTED",)),
    (3, ("SUBMITTED", "IN_REVIEW", "WAITLISTED")),
)
APPLICATIONS = [
    SeedApplication(student, listing, course, tuple(1.0 + n / 7 for n in range(len(course) + 1)), ())
    for student, (listing, course) in enumerate(COURSES)
]
ID = re.compile(r"\b(usr|cmp|int|app)_[0-9A-Z]{26}\b")
# What the workers stamp with their own clock when an event arrives, where the seeder writes the event's time;
# the figures of readers, who are counted as they come; and what follows from an ID or is random.
WRITTEN_BY_CLOCK: Mapping[Place, frozenset[str]] = {
    places.ACCOUNTS: frozenset({"password_hash"}),
    places.PROFILES: frozenset({"create_time", "update_time"}),
    places.COMPANIES: frozenset({"create_time"}),
    places.LISTINGS: frozenset({"update_time"}),
    places.OPENING_CLAIMS: frozenset({"update_time"}),
    places.SEARCH_LISTINGS: frozenset({"index_time", "gone_time"}),
    places.APPLICATIONS: frozenset({"update_time"}),
    places.APPLICANTS: frozenset({"update_time"}),
    places.FUNNELS: frozenset({"as_of_time", "views"}),
    places.OVERVIEWS: frozenset({"as_of_time", "views"}),
}
UNORDERED_FIELDS = frozenset({"terms", "words", "offer_answers"})


class SeededData:
    """All documents of the people of one e-mail domain, with labels instead of IDs."""

    def __init__(self, stack: StackHandle, domain: str) -> None:
        self._stack = stack
        self.domain = domain

    def read(self) -> dict[str, list[Document]]:
        """Return the documents of each collection, in order of their labels."""
        return uvloop.run(self._read())

    async def _read(self) -> dict[str, list[Document]]:
        async with AsyncExitStack() as closing:
            store = await BulkStore.open(self._stack.cluster, closing)
            stored = {place: await _all_documents(store, place) for place in ALL_PLACES}
        labels = dict(self._labels(stored))
        return {
            f"{place.service}.{place.collection}": sorted(
                (self._comparable(place, each, labels) for each in found if self._belongs(each, labels)),
                key=str,
            )
            for place, found in stored.items()
        }

    def _labels(self, stored: Mapping[Place, list[Document]]) -> Iterator[tuple[str, str]]:
        people = {each["_id"]: each for each in stored[places.ACCOUNTS] if self.domain in each["email"]}
        for user_id, account in people.items():
            name = account["email"].partition("@")[0]
            yield user_id, name
            if account["holder"]["company_id"]:
                yield account["holder"]["company_id"], f"the company of {name}"
        companies = {each["holder"]["company_id"] for each in people.values()}
        listings = [each for each in stored[places.LISTINGS] if each["company"]["id"] in companies]
        for each in listings:
            yield each["_id"], f"the listing of {each['create_time']}"
        ids = {each["_id"]: each for each in listings}
        for each in stored[places.APPLICATIONS]:
            if each["internship_id"] in ids:
                yield (
                    each["_id"],
                    f"{people[each['student_id']]['email'].partition('@')[0]} for {each['internship_title']}",
                )

    def _belongs(self, document: Document, labels: Mapping[str, str]) -> bool:
        return self.domain in document["_id"] or any(part in labels for part in document["_id"].split())

    def _comparable(self, place: Place, document: Document, labels: Mapping[str, str]) -> Document:
        left_out = {"slot", *WRITTEN_BY_CLOCK.get(place, ())}
        known = {name: _canonical(name, value) for name, value in document.items() if name not in left_out}
        if known.get("state") == "EXPIRED":  # by the worker's clock there, at the deadline here
            known["history"] = known["history"][:-1]
        if "hit" in known:
            known["hit"] = str(pb.InternshipHit.FromString(known["hit"]))
        return {name: self._labelled(value, labels) for name, value in known.items()}

    def _labelled(self, value: Any, labels: Mapping[str, str]) -> Any:
        if isinstance(value, dict):
            return {labels.get(key, key): self._labelled(each, labels) for key, each in value.items()}
        if isinstance(value, list):
            return [self._labelled(each, labels) for each in value]
        if isinstance(value, str):
            return ID.sub(lambda found: labels.get(found[0], found[0]), value).replace(self.domain, "domain")
        return value


def _canonical(name: str, value: Any) -> Any:
    """Return a field as it compares: sets in order, figures without zeros, which mean the same."""
    if name in UNORDERED_FIELDS or (name == "reached" and isinstance(value, list)):
        return sorted(value)
    if name == "current" and isinstance(value, dict):
        return {part: count for part, count in value.items() if count}
    return value


async def _all_documents(store: BulkStore, place: Place) -> list[Document]:
    shards = store.shards(place.service).all_shards()
    return [each for shard in shards for each in await shard.db[place.collection].find({}).to_list()]


def _population(domain: str) -> Population:
    return Population(NUMBER, companies=COMPANIES, students=STUDENTS, listings=LISTINGS, email_domain=domain)


def _plan(stack: StackHandle, domain: str, now: datetime, **amounts: int) -> SeedPlan:
    wanted = {"companies": COMPANIES, "students": STUDENTS, "listings": LISTINGS, "applications": 30}
    request = SeedRequest(NUMBER, **{**wanted, **amounts}, email_domain=domain)
    return SeedPlan(stack.topology, request, "hash", now, now)


def _new_domain() -> str:
    return f"{secrets.token_hex(4)}.example.com"


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


def _ignore(_what: str, _done: int) -> None:
    pass


def test_bulk_writes_what_the_services_write_field_by_field(
    stack: StackHandle, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = _now()
    called, bulk = SeededData(stack, _new_domain()), SeededData(stack, _new_domain())
    by_listing = {
        listing: [each for each in APPLICATIONS if each.listing == listing] for listing, _ in COURSES
    }
    monkeypatch.setattr(seeder, "_choose_applications", lambda _plan: by_listing)

    # An offer of long ago is overdue while it is made, and the worker would complete it by its own clock.
    with pause_processes([stack.state("application-work").pid]):
        _seed_by_servicers(stack, called.domain, now)
    seeder.seed_population(_plan(stack, bulk.domain, now), _ignore)
    expected = bulk.read()

    def differences() -> dict[str, Any]:
        found = called.read()
        return {
            name: _first_difference(found[name], expected[name])
            for name in expected
            if found[name] != expected[name]
        }

    with suppress(TimeoutError):
        wait_until_blocking(lambda: not differences(), "the events to be handled", within_s=90, every_s=1.0)
    assert differences() == {}
    assert {name: len(found) for name, found in expected.items() if not found} == {
        "internship.deleted_listings": 0
    }


def _first_difference(called: list[Document], bulk: list[Document]) -> Any:
    if len(called) != len(bulk):
        return f"{len(called)} called, {len(bulk)} in bulk"
    for one, other in zip(called, bulk, strict=True):
        if one != other:
            names = [name for name in {*one, *other} if one.get(name) != other.get(name)]
            return one["_id"], {name: (one.get(name), other.get(name)) for name in names}
    return None


def _seed_by_servicers(stack: StackHandle, domain: str, now: datetime) -> None:
    async def seed() -> None:
        async with AsyncExitStack() as closing:
            store = await BulkStore.open(stack.cluster, closing)
            profiles = store.shards("user")

            async def await_registration(user_id: str) -> None:
                async def is_stored() -> bool:
                    query = {"_id": user_id, "slot": slot_of(user_id)}
                    found = await profiles.shard_for(user_id).db["profiles"].find_one(query)
                    return found is not None and found["account_version"] is not None

                await wait_until(is_stored, f"the profile of {user_id}", within_s=60)

            await seed_by_servicers(stack.cluster, _population(domain), APPLICATIONS, now, await_registration)

    asyncio.run(seed())


def test_a_rerun_writes_nothing_again(stack: StackHandle) -> None:
    data, now = SeededData(stack, _new_domain()), _now()
    counts = seeder.seed_population(_plan(stack, data.domain, now), _ignore)
    before = data.read()

    assert seeder.seed_population(_plan(stack, data.domain, now), _ignore) == counts
    assert data.read() == before
    assert counts.listings == LISTINGS
    assert counts.applications == 30


@pytest.mark.parametrize("writes", [1, 3])
def test_a_rerun_completes_what_was_broken_off(
    stack: StackHandle, monkeypatch: pytest.MonkeyPatch, writes: int
) -> None:
    whole = SeededData(stack, _new_domain())
    broken = SeededData(stack, _new_domain())
    now = _now()
    seeder.seed_population(_plan(stack, whole.domain, now), _ignore)
    insert, done = BulkStore._insert_each, Counter[str]()

    async def insert_some(self: BulkStore, parts: Any) -> None:
        done["writes"] += 1
        if done["writes"] > writes:
            raise OSError("somebody pressed Ctrl-C")
        await insert(self, parts)

    with monkeypatch.context() as patched:
        patched.setattr(BulkStore, "_insert_each", insert_some)
        with pytest.raises(Exception, match="Ctrl-C"):
            seeder.seed_population(_plan(stack, broken.domain, now), _ignore)
    seeder.seed_population(_plan(stack, broken.domain, now), _ignore)

    assert broken.read() == whole.read()


def test_more_applications_are_added_to_listings_that_are_there(stack: StackHandle) -> None:
    data, now = SeededData(stack, _new_domain()), _now()
    first = seeder.seed_population(_plan(stack, data.domain, now, applications=10), _ignore)

    more = seeder.seed_population(_plan(stack, data.domain, now, applications=40), _ignore)

    stored = data.read()
    assert first.applications == 10
    assert more.applications == len(stored["application.applications"]) > 10
    counted = sum(each.get("applications", 0) for each in stored["analytics.company_overviews"])
    assert counted == more.applications
    hired = sum(each["state"] == "HIRED" for each in stored["application.applications"])
    assert sum(each["hires"] for each in stored["internship.listings"]) == hired


def test_an_address_of_somebody_else_gets_no_second_account(stack: StackHandle) -> None:
    data, now = SeededData(stack, _new_domain()), _now()
    seeder.seed_population(_plan(stack, data.domain, now - timedelta(days=1)), _ignore)

    seeder.seed_population(_plan(stack, data.domain, now), _ignore)

    stored = data.read()
    assert len(stored["auth.accounts"]) == len(stored["auth.email_directory"]) == COMPANIES + STUDENTS
    assert len(stored["internship.listings"]) == 2 * LISTINGS


def test_a_document_set_keeps_documents_by_their_collection() -> None:
    one, other = DocumentSet(), DocumentSet()
    one.add(places.LISTINGS, {"_id": "a"})
    other.add(places.LISTINGS, {"_id": "b"})

    one.merge(other)

    assert dict(one.items()) == {places.LISTINGS: [{"_id": "a"}, {"_id": "b"}]}
