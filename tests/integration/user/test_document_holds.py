"""What applications hold of documents stays, and nothing else of a document that is gone."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from chassis.blobs.disk_blob_store import DiskBlobStore
from chassis.call_context import Principal
from chassis.clock import FixedClock
from chassis.errors import DomainError
from chassis.ids import new_id, slot_of
from chassis.sharding.shards import Shards
from internshipconnect.user.v1 import documents_pb2 as pb
from services.user.domain import document_holds
from services.user.domain.document_holds import HOLD_GRACE
from services.user.domain.documents import DOWNLOAD_WINDOW, MAX_KEPT_VERSIONS
from services.user.service.verify_documents import EmptyBlobStoreError
from tests.integration.user.conftest import a_student
from tests.integration.user.document_harness import DocumentHarness
from tests.integration.user.test_documents import make_old
from tests.targeting import TargetedQueryGuard
from tests.unit.user.files import EICAR, TEXT, docx, pdf


@pytest.fixture
def student() -> Principal:
    return a_student()


@pytest.fixture
def application(student: Principal) -> str:
    """Return the ID of an application of the student's."""
    return new_id("app", slot_of(student.id))


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(datetime.now(UTC))


@pytest.fixture
def documents(shards: Shards, clock: FixedClock, tmp_path: Path) -> DocumentHarness:
    return DocumentHarness(shards, clock, DiskBlobStore(tmp_path / "blobs"))


async def refusal(call: Any) -> str:
    with pytest.raises(DomainError) as refused:
        await call
    return refused.value.reason


async def test_a_held_version_is_downloaded_by_a_link_of_its_own(
    documents: DocumentHarness, student: Principal, application: str, guard: TargetedQueryGuard
) -> None:
    document = await documents.ready(student, pdf(b"one"), name="Resume 2027.pdf")
    with guard.operation("hold"):
        [held] = await documents.hold(student, application, document.id)
        url = await documents.held_url(application, document.id)
        body, media_type, headers = await documents.download(url)
    guard.check()
    assert (held.document_id, held.version, held.name) == (document.id, 1, "Resume 2027.pdf")
    assert held.sha256 == document.versions[0].sha256
    assert (held.kind, held.size_bytes) == (pb.DOCUMENT_KIND_RESUME, len(pdf(b"one")))
    assert (body, media_type) == (pdf(b"one"), "application/pdf")
    assert 'filename="Resume 2027.pdf"' in headers["content-disposition"]
    documents.clock.advance(DOWNLOAD_WINDOW)
    assert await refusal(documents.download(url)) == "LINK_INVALID"


async def test_a_deleted_document_stays_with_the_application_and_is_gone_for_its_owner(
    documents: DocumentHarness, student: Principal, application: str
) -> None:
    document = await documents.ready(student)
    own_url = await documents.download_url(student, document.id)
    await documents.hold(student, application, document.id)
    await documents.delete(student, document.id)
    await documents.work(student)
    url = await documents.held_url(application, document.id)
    assert (await documents.download(url))[0] == pdf()
    assert await refusal(documents.get(student, document.id)) == "DOCUMENT_NOT_FOUND"
    assert await refusal(documents.download(own_url)) == "DOCUMENT_NOT_FOUND"


async def test_a_hold_keeps_one_version_and_no_other_is_reached_by_it(
    documents: DocumentHarness, student: Principal, application: str
) -> None:
    document = await documents.ready(student, pdf(b"sent"))
    await documents.hold(student, application, document.id)
    for number in range(MAX_KEPT_VERSIONS + 1):
        begun = await documents.create_version(student, document.id)
        await documents.upload(begun.upload_url, pdf(b"%d" % number))
        await documents.work(student)
    assert 1 not in [each.number for each in (await documents.get(student, document.id)).versions]
    await documents.update(student, document.id, pb.Document(name="Renamed.pdf"))
    body, _, headers = await documents.download(await documents.held_url(application, document.id))
    assert body == pdf(b"sent")
    assert "Renamed" not in headers["content-disposition"]
    assert len(await documents.blob_keys()) == MAX_KEPT_VERSIONS + 1


async def test_a_link_of_one_application_leads_to_nothing_of_another(
    documents: DocumentHarness, student: Principal, application: str
) -> None:
    sent, kept_back = await documents.ready(student), await documents.ready(student, docx())
    await documents.hold(student, application, sent.id)
    other = new_id("app", slot_of(student.id))
    await documents.hold(student, other, kept_back.id)
    assert await refusal(documents.held_url(application, kept_back.id)) == "DOCUMENT_NOT_FOUND"
    assert await refusal(documents.held_url(new_id("app"), sent.id)) == "DOCUMENT_NOT_FOUND"
    url = await documents.held_url(application, sent.id)
    for wrong in (url.replace(sent.id, kept_back.id), url[:-3] + "AAA"):
        assert await refusal(documents.download(wrong)) == "LINK_INVALID"
    own = await documents.download_url(student, kept_back.id)
    mixed = f"{own.rpartition('=')[0]}={url.rpartition('=')[2]}"
    assert await refusal(documents.download(mixed)) == "LINK_INVALID"


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        ("another student's", "DOCUMENT_NOT_FOUND"),
        ("unknown", "DOCUMENT_NOT_FOUND"),
        ("deleted", "DOCUMENT_NOT_FOUND"),
        ("uploading", "DOCUMENT_NOT_READY"),
        ("scanning", "DOCUMENT_NOT_READY"),
        ("in quarantine", "DOCUMENT_NOT_READY"),
    ],
)
async def test_only_the_students_own_documents_that_are_ready_are_held(
    documents: DocumentHarness, student: Principal, application: str, state: str, reason: str
) -> None:
    fine = await documents.ready(student)
    wrong = await wrong_document(documents, student, state)
    assert await refusal(documents.hold(student, application, fine.id, wrong)) == reason
    assert await documents.holds.get(application) is None


async def wrong_document(documents: DocumentHarness, student: Principal, state: str) -> str:
    match state:
        case "another student's":
            return (await documents.ready(a_student())).id
        case "deleted":
            document = await documents.ready(student)
            await documents.delete(student, document.id)
            return document.id
        case "uploading":
            return (await documents.create(student)).document.id
        case "scanning":
            return (await documents.uploaded(student, TEXT)).id
        case "in quarantine":
            return (await documents.ready(student, pdf(EICAR))).id
        case _:
            return new_id("doc", slot_of(student.id))


async def test_an_application_of_another_slot_holds_nothing(
    documents: DocumentHarness, student: Principal
) -> None:
    document = await documents.ready(student)
    elsewhere = new_id("app", (slot_of(student.id) + 1) % 16_384)
    assert await refusal(documents.hold(student, elsewhere, document.id)) == "DOCUMENT_NOT_FOUND"


async def test_the_same_application_again_gets_the_same_versions(
    documents: DocumentHarness, student: Principal, application: str
) -> None:
    document = await documents.ready(student)
    first = await documents.hold(student, application, document.id)
    begun = await documents.create_version(student, document.id)
    await documents.upload(begun.upload_url, docx())
    await documents.work(student)
    assert await documents.hold(student, application, document.id) == first
    [other] = await documents.hold(student, new_id("app", slot_of(student.id)), document.id)
    assert other.version == 2


async def test_the_same_application_with_other_documents_or_another_student_holds_nothing_more(
    documents: DocumentHarness, student: Principal, application: str
) -> None:
    sent, other = await documents.ready(student), await documents.ready(student, docx())
    await documents.hold(student, application, sent.id)
    neighbour = Principal(new_id("usr", slot_of(student.id)), "STUDENT")
    for who, document_ids in ((student, [other.id]), (student, [sent.id, other.id]), (neighbour, [sent.id])):
        refused = documents.hold(who, application, *document_ids)
        assert await refusal(refused) == "DOCUMENT_NOT_FOUND"
    [held] = (await documents.holds.get_or_raise(application)).versions
    assert held.document_id == sent.id


async def test_contents_that_applications_hold_are_bounded_and_what_was_sent_can_be_sent_again(
    documents: DocumentHarness, student: Principal, monkeypatch: pytest.MonkeyPatch, guard: TargetedQueryGuard
) -> None:
    monkeypatch.setattr(document_holds, "MAX_HELD_BYTES", 3 * len(pdf(b"0")) - 1)
    last = ""
    for number in range(2):
        last = (await documents.ready(student, pdf(b"%d" % number))).id
        await documents.hold(student, new_id("app", slot_of(student.id)), last)
        if not number:
            await documents.delete(student, last)
    more = await documents.ready(student, pdf(b"2"))
    with guard.operation("hold more"):
        refused = documents.hold(student, new_id("app", slot_of(student.id)), more.id)
        assert await refusal(refused) == "DOCUMENT_QUOTA_EXCEEDED"
        assert await documents.hold(student, new_id("app", slot_of(student.id)), last)
    guard.check()
    neighbour = Principal(new_id("usr", slot_of(student.id)), "STUDENT")
    own = await documents.ready(neighbour, pdf(b"3"))
    assert await documents.hold(neighbour, new_id("app", slot_of(student.id)), own.id)


async def test_of_a_submit_and_a_deletion_at_once_the_submit_is_refused_or_keeps_the_content(
    documents: DocumentHarness, student: Principal
) -> None:
    for _ in range(10):
        document = await documents.ready(student)
        application = new_id("app", slot_of(student.id))
        held, _ = await asyncio.gather(
            documents.hold(student, application, document.id),
            documents.delete(student, document.id),
            return_exceptions=True,
        )
        await documents.work(student)
        if isinstance(held, DomainError):
            assert held.reason == "DOCUMENT_NOT_FOUND"
            assert not [key for key in await documents.blob_keys() if document.id in key]
        else:
            url = await documents.held_url(application, document.id)
            assert (await documents.download(url))[0] == pdf()


async def test_what_is_given_up_is_deleted_once_nothing_else_holds_it(
    documents: DocumentHarness, student: Principal, application: str
) -> None:
    document, other = await documents.ready(student), new_id("app", slot_of(student.id))
    for each in (application, other):
        await documents.hold(student, each, document.id)
    await documents.settle(application, stored=False)
    await documents.settle(application, stored=False)
    await documents.work(student)
    assert len(await documents.blob_keys()) == 1
    await documents.delete(student, document.id)
    await documents.work(student)
    assert len(await documents.blob_keys()) == 1
    await documents.settle(other, stored=False)
    await documents.work(student)
    assert await documents.blob_keys() == []


async def test_a_hold_is_open_until_its_application_is_known_to_be_stored(
    documents: DocumentHarness, student: Principal, application: str
) -> None:
    document = await documents.ready(student)
    await documents.hold(student, application, document.id)
    assert application not in await documents.unsettled()
    documents.clock.advance(HOLD_GRACE + timedelta(seconds=1))
    assert application in await documents.unsettled()
    await documents.settle(application, stored=True)
    assert application not in await documents.unsettled()
    await documents.held_url(application, document.id)


async def test_the_operators_check_knows_what_applications_hold(
    documents: DocumentHarness, student: Principal, application: str, tmp_path: Path
) -> None:
    document = await documents.ready(student)
    await documents.hold(student, application, document.id)
    await documents.delete(student, document.id)
    await documents.work(student)
    await make_old(documents, tmp_path)
    assert await documents.verify(write=True) == {"records": 0, "blobs": 0, "interrupted uploads": 0}
    url = await documents.held_url(application, document.id)
    assert (await documents.download(url))[0] == pdf()


async def test_a_lost_content_that_only_an_application_holds_is_reported(
    documents: DocumentHarness, student: Principal, application: str
) -> None:
    document, kept = await documents.ready(student), await documents.ready(student, docx())
    await documents.hold(student, application, document.id, kept.id)
    await documents.delete(student, document.id)
    await documents.work(student)
    [key] = [key for key in await documents.blob_keys() if document.id in key]
    await documents.blobs.delete(key)
    for write in (True, False):
        assert (await documents.verify(write=write))["records"] == 1
    held = (await documents.holds.get_or_raise(application)).versions
    assert [each.document_id for each in held] == [document.id, kept.id]


async def test_an_empty_store_is_taken_for_the_wrong_one_by_what_applications_hold(
    documents: DocumentHarness, student: Principal, application: str, tmp_path: Path
) -> None:
    document = await documents.ready(student)
    await documents.hold(student, application, document.id)
    await documents.delete(student, document.id)
    documents.blobs = DiskBlobStore(tmp_path / "another disk")
    with pytest.raises(EmptyBlobStoreError):
        await documents.verify(write=True)
