"""The erasure of people on the stack's stores: all their records, contents and membership."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from chassis.blobs.disk_blob_store import DiskBlobStore
from chassis.call_context import Principal
from chassis.clock import FixedClock
from chassis.search.gazetteer import shared_gazetteer
from chassis.sharding.shards import Shards
from internshipconnect.events.v1.events_pb2 import CompanyMembershipChanged, CompanyStateChanged
from services.user.domain.company import CompanyState
from services.user.repository import COLLECTIONS, PersonRemoval, UserRepositories
from services.user.service.erase_person import EraseProfile
from tests.databases import read_outbox
from tests.integration.user.conftest import UserHarness, an_owner
from tests.integration.user.document_harness import DocumentHarness
from tests.integration.user.test_team import joined

MARKER = "Marker 7f3a"
_FOLLOWS = frozenset({"companies", "company_teams"})


@dataclass
class ErasureHarness:
    """What erases people, beside the service itself."""

    users: UserHarness
    documents: DocumentHarness
    blobs: DiskBlobStore
    person: EraseProfile

    async def where_named(self, *markers: str) -> set[str]:
        """Return the collections, but those of companies, in which one of the markers is."""
        return {
            spec.name
            for shard in self.users.shards.all_shards()
            for spec in COLLECTIONS
            if spec.name not in _FOLLOWS
            for document in await shard.unscoped[spec.name].find({}).to_list()
            if any(marker in str(document) for marker in markers)
        }


@pytest.fixture
async def erasures(
    users: UserHarness, shards: Shards, clock: FixedClock, tmp_path: Path
) -> AsyncIterator[ErasureHarness]:
    blobs = DiskBlobStore(tmp_path)
    documents = DocumentHarness(shards, clock, blobs)
    stored = UserRepositories.open(shards, shared_gazetteer(), clock)
    person = EraseProfile(stored, PersonRemoval(shards), users.companies, documents.use_cases.scanning, blobs)
    yield ErasureHarness(users, documents, blobs, person)


async def in_full(erasures: ErasureHarness) -> Principal:
    """Return a student with the marker in profile, search entry, document and access log."""
    student = await erasures.users.found_student(MARKER, headline=f"{MARKER} writes compilers")
    await erasures.documents.ready(student, name=f"{MARKER}.pdf")
    await erasures.users.open_student(an_owner(), student)
    return student


async def test_nothing_of_an_erased_person_is_stored(erasures: ErasureHarness) -> None:
    student = await in_full(erasures)
    named = await erasures.where_named(student.id, MARKER)
    assert {"profiles", "student_search", "student_documents", "profile_accesses"} <= named
    await erasures.person.erase(student.id)
    assert await erasures.where_named(student.id, MARKER) == set()
    assert await erasures.blobs.list_page("documents", limit=100) == []
    await erasures.person.erase(student.id)


async def test_an_erasure_that_breaks_off_half_way_goes_on(
    erasures: ErasureHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    student = await in_full(erasures)

    async def fail(*_: object) -> None:
        raise ConnectionError("killed here")

    with monkeypatch.context() as patched:
        patched.setattr(PersonRemoval, "remove", fail)
        with pytest.raises(ConnectionError):
            await erasures.person.erase(student.id)
    assert "profiles" in await erasures.where_named(student.id)
    await erasures.person.erase(student.id)
    assert await erasures.where_named(student.id, MARKER) == set()


async def test_the_company_of_its_only_member_is_suspended(erasures: ErasureHarness) -> None:
    owner = an_owner()
    await erasures.users.registered(owner, "Ada", "Acme")
    await erasures.person.erase(owner.id)
    company = await erasures.users.companies.get_company(owner.org)
    assert company is not None and company.state is CompanyState.SUSPENDED
    assert len(await read_outbox(erasures.users.shards, CompanyStateChanged, owner.org)) == 1
    [left] = await read_outbox(erasures.users.shards, CompanyMembershipChanged, owner.org)
    assert (left.user_id, left.role, left.member_name) == (owner.id, 0, "")


async def test_a_company_goes_on_without_one_of_its_members(erasures: ErasureHarness) -> None:
    owner = an_owner()
    await erasures.users.registered(owner, "Ada", "Acme")
    grace = await joined(erasures.users, owner, "Grace")
    await erasures.person.erase(grace.id)
    company = await erasures.users.companies.get_company(owner.org)
    assert company is not None and company.state is not CompanyState.SUSPENDED
    assert await erasures.where_named(grace.id) == set()
