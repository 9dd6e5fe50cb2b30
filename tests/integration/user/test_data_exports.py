import asyncio
import io
import zipfile
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast
from urllib.parse import parse_qs, urlsplit

import orjson
import pytest

from chassis.blobs.disk_blob_store import DiskBlobStore
from chassis.call_context import Principal, acting_as
from chassis.clock import FixedClock
from chassis.errors import DomainError, unavailable
from chassis.ids import new_id, slot_of
from chassis.personal_data import PersonalRecord
from chassis.search.gazetteer import shared_gazetteer
from chassis.security.data_keys import DataKeys
from chassis.security.link_tickets import LinkTickets
from chassis.sharding.shards import Shards
from internshipconnect.events.v1.events_pb2 import DataExportReady
from internshipconnect.user.v1 import data_exports_pb2 as pb
from services.user.data_export_api import DataExportServicer
from services.user.domain.data_exports import CLAIM_LIFE, EXPORT_FOLDER, EXPORT_LIFE
from services.user.repository import UserRepositories
from services.user.service.collect_data_exports import CollectDataExports
from services.user.service.list_personal_data import ListProfileData
from services.user.service.manage_data_exports import LINK_LIFE, ManageDataExports
from tests.databases import read_outbox
from tests.integration.user.conftest import a_student
from tests.integration.user.document_harness import DocumentHarness, RecordingContext
from tests.targeting import TargetedQueryGuard
from tests.unit.user.files import pdf

NOTHING = cast(Any, None)
REQUESTED, READY = pb.DATA_EXPORT_STATE_REQUESTED, pb.DATA_EXPORT_STATE_READY
COLLECTING, EXPIRED = pb.DATA_EXPORT_STATE_COLLECTING, pb.DATA_EXPORT_STATE_EXPIRED


class FakeHolders:
    """Two other services with one record of each person."""

    holders = ("auth", "notification")

    def __init__(self) -> None:
        self.is_down = False

    async def iterate(self, holder: str, user_id: str) -> AsyncIterator[PersonalRecord]:
        if self.is_down:
            raise unavailable(f"The {holder} service")
        yield PersonalRecord("account", orjson.dumps({"id": user_id, "of": holder}).decode())


@dataclass
class ExportHarness:
    """Calls as the gateway makes them, and the worker when it is asked to."""

    shards: Shards
    clock: FixedClock
    blobs: DiskBlobStore
    others: FakeHolders = field(default_factory=FakeHolders)

    def __post_init__(self) -> None:
        self.documents = DocumentHarness(self.shards, self.clock, self.blobs)
        self.stored = UserRepositories.open(self.shards, shared_gazetteer(), self.clock)
        tickets = LinkTickets(DataKeys(bytes(32)))
        managing = ManageDataExports(self.stored.exports, self.blobs, tickets, self.clock)
        self.api = DataExportServicer(managing, "https://api.test")
        self.worker = self.another_worker()

    def another_worker(self) -> CollectDataExports:
        own_data = ListProfileData(self.stored).source
        return CollectDataExports(self.stored, own_data, self.others, self.blobs, self.clock)

    async def start(self, person: Principal) -> pb.DataExport:
        with acting_as(person):
            return await self.api.StartDataExport(pb.StartDataExportRequest(), NOTHING)

    async def get(self, person: Principal, export_id: str) -> pb.DataExport:
        with acting_as(person):
            return await self.api.GetDataExport(pb.GetDataExportRequest(export_id=export_id), NOTHING)

    async def list_all(self, person: Principal) -> list[pb.DataExport]:
        with acting_as(person):
            return list((await self.api.ListDataExports(pb.ListDataExportsRequest(), NOTHING)).data)

    async def url(self, person: Principal, export_id: str) -> str:
        with acting_as(person):
            request = pb.GetDataExportUrlRequest(export_id=export_id)
            return (await self.api.GetDataExportUrl(request, NOTHING)).url

    async def download(self, url: str) -> tuple[bytes, dict[str, str]]:
        parts, context = urlsplit(url), RecordingContext()
        request = pb.DownloadDataExportRequest(
            export_id=parts.path.split("/")[4], ticket=parse_qs(parts.query)["ticket"][0]
        )
        stream = self.api.DownloadDataExport(request, cast(Any, context))
        return b"".join([part.data async for part in stream]), context.headers

    async def archive(self, person: Principal, export_id: str) -> zipfile.ZipFile:
        return zipfile.ZipFile(io.BytesIO((await self.download(await self.url(person, export_id)))[0]))

    async def blob_keys(self) -> list[str]:
        return [blob.key for blob in await self.blobs.list_page(EXPORT_FOLDER, limit=100)]


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(datetime.now(UTC))


@pytest.fixture
def exports(shards: Shards, clock: FixedClock, tmp_path: Path) -> ExportHarness:
    return ExportHarness(shards, clock, DiskBlobStore(tmp_path / "blobs"))


@pytest.fixture
def student() -> Principal:
    return a_student()


async def refusal(call: Any) -> str:
    with pytest.raises(DomainError) as refused:
        await call
    return refused.value.reason


async def test_a_copy_has_the_records_of_all_services_and_the_documents(
    exports: ExportHarness, student: Principal
) -> None:
    content = pdf(b"mine")
    document = await exports.documents.ready(student, content, name="../../etc/passwd")
    begun = await exports.start(student)
    assert begun.state == REQUESTED
    assert await refusal(exports.url(student, begun.id)) == "DATA_EXPORT_NOT_READY"
    await exports.worker.settle_due()
    found = await exports.get(student, begun.id)
    assert found.state == READY
    with await exports.archive(student, begun.id) as archive:
        names = archive.namelist()
        assert not any(".." in name or name.startswith("/") for name in names)
        assert orjson.loads(archive.read("auth/account.json")) == [{"id": student.id, "of": "auth"}]
        assert "notification/account.json" in names
        [listed] = orjson.loads(archive.read("user/documents.json"))
        assert listed["id"] == document.id
        assert b"blobKey" not in archive.read("user/documents.json")
        [path] = [name for name in names if name.startswith(f"documents/{document.id}/")]
        assert archive.read(path) == content
        manifest = orjson.loads(archive.read("manifest.json"))
        assert {each["path"] for each in manifest["files"]} == set(names) - {"manifest.json"}
        assert manifest["missingDocuments"] == []


async def test_a_document_that_was_sent_and_then_deleted_is_in_the_copy(
    exports: ExportHarness, student: Principal
) -> None:
    document = await exports.documents.ready(student)
    await exports.documents.hold(student, new_id("app", slot_of(student.id)), document.id)
    await exports.documents.delete(student, document.id)
    await exports.documents.work(student)
    begun = await exports.start(student)
    await exports.worker.settle_due()
    with await exports.archive(student, begun.id) as archive:
        assert [name for name in archive.namelist() if name.startswith(f"documents/{document.id}/")]


async def test_nobody_else_sees_or_downloads_a_copy(exports: ExportHarness, student: Principal) -> None:
    begun, other = await exports.start(student), a_student()
    await exports.worker.settle_due()
    assert await refusal(exports.get(other, begun.id)) == "DATA_EXPORT_NOT_FOUND"
    assert await refusal(exports.url(other, begun.id)) == "DATA_EXPORT_NOT_FOUND"
    assert await exports.list_all(other) == []
    theirs = await exports.start(other)
    await exports.worker.settle_due()
    url = (await exports.url(other, theirs.id)).replace(theirs.id, begun.id)
    assert await refusal(exports.download(url)) == "LINK_INVALID"


async def test_a_link_expires(exports: ExportHarness, student: Principal) -> None:
    begun = await exports.start(student)
    await exports.worker.settle_due()
    url = await exports.url(student, begun.id)
    exports.clock.advance(LINK_LIFE)
    assert await refusal(exports.download(url)) == "LINK_INVALID"


async def test_a_service_that_is_down_delays_a_copy_and_nothing_is_doubled(
    exports: ExportHarness, student: Principal
) -> None:
    exports.others.is_down = True
    begun = await exports.start(student)
    await exports.worker.settle_due()
    assert (await exports.get(student, begun.id)).state == COLLECTING
    assert await exports.blob_keys() == []
    exports.others.is_down = False
    await exports.worker.settle_due()
    assert (await exports.get(student, begun.id)).state == COLLECTING
    exports.clock.advance(timedelta(minutes=1))
    await exports.worker.settle_due()
    await exports.worker.settle_due()
    assert (await exports.get(student, begun.id)).state == READY
    assert len(await exports.blob_keys()) == 1
    [ready] = await read_outbox(exports.shards, DataExportReady, student.id)
    assert ready.export_id == begun.id


async def test_a_worker_that_was_killed_is_followed_by_another_that_leaves_one_archive(
    exports: ExportHarness, student: Principal
) -> None:
    begun = await exports.start(student)
    [person] = await exports.stored.exports.list_due(exports.clock.now(), limit=10)
    claimed = await exports.worker._claim(student.id, person.exports[0])
    assert claimed is not None
    # The archive is stored, and the process is gone before it records that.
    await exports.worker._store_archive(student.id, claimed)
    await exports.another_worker().settle_due()
    assert (await exports.get(student, begun.id)).state == COLLECTING
    exports.clock.advance(CLAIM_LIFE)
    await exports.another_worker().settle_due()
    assert (await exports.get(student, begun.id)).state == READY
    [key] = await exports.blob_keys()
    assert key.endswith("/2")


async def test_of_several_workers_at_once_one_makes_the_copy(
    exports: ExportHarness, student: Principal
) -> None:
    await exports.start(student)
    await asyncio.gather(*(exports.another_worker().settle_due() for _ in range(5)))
    assert len(await exports.blob_keys()) == 1
    assert len(await read_outbox(exports.shards, DataExportReady, student.id)) == 1


async def test_of_twenty_wishes_at_once_one_is_granted(exports: ExportHarness, student: Principal) -> None:
    outcomes = await asyncio.gather(*(exports.start(student) for _ in range(20)), return_exceptions=True)
    refused = [each.reason for each in outcomes if isinstance(each, DomainError)]
    assert set(refused) <= {"DATA_EXPORT_RUNNING", "OVERLOADED"}
    assert len(await exports.list_all(student)) == len(outcomes) - len(refused) == 1


async def test_an_archive_is_deleted_after_seven_days(exports: ExportHarness, student: Principal) -> None:
    begun = await exports.start(student)
    await exports.worker.settle_due()
    exports.clock.advance(EXPORT_LIFE)
    assert await refusal(exports.url(student, begun.id)) == "DATA_EXPORT_NOT_READY"
    await exports.worker.settle_due()
    assert (await exports.get(student, begun.id)).state == EXPIRED
    assert await exports.blob_keys() == []


async def test_exports_are_read_on_their_persons_shard(
    exports: ExportHarness, student: Principal, guard: TargetedQueryGuard
) -> None:
    with guard.operation("data export"):
        begun = await exports.start(student)
        await exports.worker.settle_due()
        await exports.download(await exports.url(student, begun.id))
    guard.check()
