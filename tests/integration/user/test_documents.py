import asyncio
import os
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
from services.user.domain.documents import (
    DOWNLOAD_WINDOW,
    MAX_CONTENT_BYTES,
    MAX_DOCUMENTS,
    MAX_KEPT_VERSIONS,
    UPLOAD_WINDOW,
    StudentDocuments,
)
from services.user.service.scan_documents import RESCAN_AFTER
from services.user.service.verify_documents import GRACE, EmptyBlobStoreError
from tests.integration.user.conftest import a_student
from tests.integration.user.document_harness import DocumentHarness
from tests.targeting import TargetedQueryGuard
from tests.unit.user.files import EICAR, TEXT, docx, pdf, png

READY, SCANNING = pb.DOCUMENT_STATE_READY, pb.DOCUMENT_STATE_SCANNING
UPLOADING, QUARANTINED = pb.DOCUMENT_STATE_UPLOADING, pb.DOCUMENT_STATE_QUARANTINED


@pytest.fixture
def student() -> Principal:
    return a_student()


@pytest.fixture
def clock() -> FixedClock:
    # The files of the store have the machine's times.
    return FixedClock(datetime.now(UTC))


@pytest.fixture
def documents(shards: Shards, clock: FixedClock, tmp_path: Path) -> DocumentHarness:
    return DocumentHarness(shards, clock, DiskBlobStore(tmp_path / "blobs"))


async def refusal(call: Any) -> str:
    with pytest.raises(DomainError) as refused:
        await call
    return refused.value.reason


async def make_old(documents: DocumentHarness, tmp_path: Path) -> None:
    """Let the files of the store be older than the verification's grace."""
    then = documents.clock.now().timestamp() - 2 * GRACE.total_seconds()
    for path in (tmp_path / "blobs").rglob("*"):
        os.utime(path, (then, then))


async def test_a_document_is_uploaded_checked_and_downloaded_as_it_was(
    documents: DocumentHarness, student: Principal
) -> None:
    begun = await documents.create(student, "Resume 2027.pdf")
    assert (begun.document.state, begun.document.is_default) == (UPLOADING, True)
    assert begun.expire_time.ToDatetime(UTC) == documents.clock.now() + UPLOAD_WINDOW
    content = pdf(b"<< /Title (Sam) >>" * 30_000)
    assert (await documents.upload(begun.upload_url, content)).state == SCANNING
    assert await refusal(documents.download_url(student, begun.document.id)) == "DOCUMENT_NOT_READY"
    await documents.work(student)
    found = await documents.get(student, begun.document.id)
    [version] = found.versions
    assert (version.state, version.media_type, version.size_bytes) == (READY, "application/pdf", len(content))
    body, media_type, headers = await documents.download(await documents.download_url(student, found.id))
    assert (body, media_type) == (content, "application/pdf")
    assert 'filename="Resume 2027.pdf"' in headers["content-disposition"]


async def test_all_documents_are_listed_newest_first(documents: DocumentHarness, student: Principal) -> None:
    first = await documents.ready(student)
    second = await documents.ready(student, docx(), name="Letter.docx", kind=pb.DOCUMENT_KIND_COVER_LETTER)
    assert [each.id for each in await documents.list_all(student)] == [second.id, first.id]
    assert await documents.list_all(a_student()) == []


async def test_a_document_lives_in_its_students_slot(
    documents: DocumentHarness, student: Principal, guard: TargetedQueryGuard
) -> None:
    with guard.operation("document"):
        document = await documents.ready(student)
        await documents.download(await documents.download_url(student, document.id))
    assert slot_of(document.id) == slot_of(student.id)
    guard.check()


@pytest.mark.parametrize("content", [b"", b"MZ\x90\x00", b"\x00" * 20, b"PK\x03\x04"])
async def test_a_content_of_another_type_is_refused_whatever_its_name_and_leaves_nothing(
    documents: DocumentHarness, student: Principal, content: bytes
) -> None:
    begun = await documents.create(student, "Resume.pdf")
    assert await refusal(documents.upload(begun.upload_url, content)) == "UNSUPPORTED_FILE"
    assert await documents.blob_keys() == []
    assert (await documents.upload(begun.upload_url, pdf())).state == SCANNING


async def test_a_content_that_is_too_large_is_refused_and_leaves_nothing(
    documents: DocumentHarness, student: Principal
) -> None:
    begun = await documents.create(student)
    too_large = b"x" * (MAX_CONTENT_BYTES + 1)
    assert await refusal(documents.upload(begun.upload_url, too_large)) == "PAYLOAD_TOO_LARGE"
    assert await documents.blob_keys() == []
    assert (await documents.upload(begun.upload_url, too_large[:-1])).state == SCANNING


async def test_an_address_is_refused_when_it_was_changed_has_expired_or_is_for_something_else(
    documents: DocumentHarness, student: Principal
) -> None:
    ready = await documents.ready(student)
    begun, other = await documents.create(student), await documents.create(student)
    download = await documents.download_url(student, ready.id)
    ticket = begun.upload_url.rpartition("=")[2]
    wrong = [
        begun.upload_url[:-3] + "AAA",
        begun.upload_url.replace(begun.document.id, other.document.id),
        f"{download.rpartition('=')[0]}={ticket}",
        f"{begun.upload_url.rpartition('=')[0]}={download.rpartition('=')[2]}",
    ]
    for url in wrong:
        assert await refusal(documents.upload(url, pdf())) == "LINK_INVALID"
        assert await refusal(documents.download(url)) == "LINK_INVALID"
    documents.clock.advance(DOWNLOAD_WINDOW)
    assert await refusal(documents.download(download)) == "LINK_INVALID"
    documents.clock.advance(UPLOAD_WINDOW)
    assert await refusal(documents.upload(begun.upload_url, pdf())) == "LINK_INVALID"
    assert len(await documents.blob_keys()) == 1


async def test_an_upload_that_never_comes_is_gone_after_its_time(
    documents: DocumentHarness, student: Principal
) -> None:
    begun = await documents.create(student)
    documents.clock.advance(UPLOAD_WINDOW)
    assert await documents.list_all(student) == []
    assert await refusal(documents.get(student, begun.document.id)) == "DOCUMENT_NOT_FOUND"
    for _ in range(MAX_DOCUMENTS):
        await documents.create(student)


async def test_the_same_upload_again_answers_the_same_and_keeps_one_content(
    documents: DocumentHarness, student: Principal
) -> None:
    begun = await documents.create(student)
    first = await documents.upload(begun.upload_url, pdf())
    assert await documents.upload(begun.upload_url, pdf()) == first
    assert await refusal(documents.upload(begun.upload_url, pdf(b"other"))) == "LINK_INVALID"
    assert len(await documents.blob_keys()) == 1


async def test_of_two_uploads_at_once_one_is_kept_and_its_content_is_the_only_one(
    documents: DocumentHarness, student: Principal
) -> None:
    begun = await documents.create(student)
    contents = [pdf(b"%d" % number) for number in range(8)]
    answers = await asyncio.gather(
        *(documents.upload(begun.upload_url, content) for content in contents), return_exceptions=True
    )
    kept = [content for content, each in zip(contents, answers, strict=True) if isinstance(each, pb.Document)]
    others = {each.reason for each in answers if isinstance(each, DomainError)}
    assert len(kept) == 1 and others <= {"LINK_INVALID", "OVERLOADED"}
    assert len(await documents.blob_keys()) == 1
    await documents.work(student)
    url = await documents.download_url(student, begun.document.id)
    assert (await documents.download(url))[0] == kept[0]


async def test_twenty_documents_begun_at_once_and_no_more(
    documents: DocumentHarness, student: Principal
) -> None:
    for _ in range(MAX_DOCUMENTS - 2):
        await documents.create(student)
    answers = await asyncio.gather(*(documents.create(student) for _ in range(4)), return_exceptions=True)
    assert len(await documents.list_all(student)) == MAX_DOCUMENTS
    refused = [each for each in answers if isinstance(each, DomainError)]
    assert {each.reason for each in refused} <= {"DOCUMENT_QUOTA_EXCEEDED", "OVERLOADED"}
    assert len(refused) == 2


async def test_nobody_reaches_the_document_of_another_student(
    documents: DocumentHarness, student: Principal
) -> None:
    document, other_student = await documents.ready(student), a_student()
    near = Principal(new_id("usr", slot_of(student.id)), "STUDENT")
    for other in (other_student, near):
        for call in (
            documents.get(other, document.id),
            documents.create_version(other, document.id),
            documents.update(other, document.id, pb.Document(name="Mine")),
            documents.delete(other, document.id),
            documents.download_url(other, document.id),
        ):
            assert await refusal(call) == "DOCUMENT_NOT_FOUND"
    assert await documents.get(student, document.id) == document


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (pdf(EICAR), pb.QUARANTINE_REASON_MALWARE),
        (pdf(b"<< /S /JavaScript >>"), pb.QUARANTINE_REASON_ACTIVE_CONTENT),
        (pdf(b"<< /Encrypt 1 0 R >>"), pb.QUARANTINE_REASON_ENCRYPTED),
        (docx(**{"word/vbaProject.bin": b"\0"}), pb.QUARANTINE_REASON_ACTIVE_CONTENT),
        (png(trailing=b"more"), pb.QUARANTINE_REASON_MALFORMED),
    ],
    ids=["malware", "script", "encrypted", "macros", "malformed"],
)
async def test_a_harmful_content_goes_to_quarantine_and_is_given_to_nobody(
    documents: DocumentHarness, student: Principal, content: bytes, reason: Any
) -> None:
    document = await documents.ready(student, content)
    assert document.state == QUARANTINED
    assert document.versions[0].quarantine_reason == reason
    for version in (0, 1):
        assert await refusal(documents.download_url(student, document.id, version)) == "DOCUMENT_NOT_READY"


async def test_a_scanner_that_is_down_delays_and_never_passes(
    documents: DocumentHarness, student: Principal
) -> None:
    documents.scanner.is_down = True
    document = await documents.uploaded(student)
    assert await refusal(documents.work(student)) == "UNAVAILABLE"
    assert (await documents.get(student, document.id)).state == SCANNING
    documents.clock.advance(RESCAN_AFTER + timedelta(seconds=1))
    await documents.use_cases.scanning.scan_overdue()
    assert (await documents.get(student, document.id)).state == SCANNING
    documents.scanner.is_down = False
    await documents.use_cases.scanning.scan_overdue()
    assert (await documents.get(student, document.id)).state == READY


async def test_an_overdue_content_is_checked_although_its_event_was_given_up(
    documents: DocumentHarness, student: Principal
) -> None:
    document = await documents.uploaded(student)
    await documents.use_cases.scanning.scan_overdue()
    assert (await documents.get(student, document.id)).state == SCANNING
    documents.clock.advance(RESCAN_AFTER + timedelta(seconds=1))
    await documents.use_cases.scanning.scan_overdue()
    assert (await documents.get(student, document.id)).state == READY


async def test_a_new_version_replaces_the_one_before_and_a_link_stays_with_its_version(
    documents: DocumentHarness, student: Principal
) -> None:
    document = await documents.ready(student, pdf(b"one"))
    first_url = await documents.download_url(student, document.id)
    begun = await documents.create_version(student, document.id)
    assert (await documents.download(await documents.download_url(student, document.id)))[0] == pdf(b"one")
    await documents.upload(begun.upload_url, docx())
    await documents.work(student)
    url = await documents.download_url(student, document.id)
    assert (await documents.download(url))[0] == docx()
    assert (await documents.download(first_url))[0] == pdf(b"one")
    assert (await documents.download(await documents.download_url(student, document.id, 1)))[0] == pdf(b"one")
    assert [each.number for each in (await documents.get(student, document.id)).versions] == [2, 1]


async def test_contents_of_versions_that_are_not_kept_are_deleted(
    documents: DocumentHarness, student: Principal
) -> None:
    document = await documents.ready(student)
    for number in range(MAX_KEPT_VERSIONS):
        begun = await documents.create_version(student, document.id)
        await documents.upload(begun.upload_url, pdf(b"%d" % number))
        await documents.work(student)
    assert len((await documents.get(student, document.id)).versions) == MAX_KEPT_VERSIONS
    assert len(await documents.blob_keys()) == MAX_KEPT_VERSIONS


async def test_a_deleted_document_is_gone_with_its_content_and_its_links(
    documents: DocumentHarness, student: Principal
) -> None:
    document, other = await documents.ready(student), await documents.ready(student)
    url = await documents.download_url(student, document.id)
    await documents.delete(student, document.id)
    assert await refusal(documents.download(url)) == "DOCUMENT_NOT_FOUND"
    assert await refusal(documents.delete(student, document.id)) == "DOCUMENT_NOT_FOUND"
    await documents.work(student)
    await documents.work(student)
    [key] = await documents.blob_keys()
    assert other.id in key
    assert (await documents.get(student, other.id)).is_default


async def test_a_name_and_a_default_are_changed_with_the_etag_that_was_read(
    documents: DocumentHarness, student: Principal
) -> None:
    first, second = await documents.ready(student), await documents.ready(student)
    assert (first.is_default, second.is_default) == (True, False)
    changed = await documents.update(
        student, second.id, pb.Document(name="Best.pdf", is_default=True, etag=second.etag)
    )
    assert (changed.name, changed.is_default, changed.etag != second.etag) == ("Best.pdf", True, True)
    assert not (await documents.get(student, first.id)).is_default
    stale = documents.update(student, second.id, pb.Document(name="x", etag=second.etag))
    assert await refusal(stale) == "STALE_ETAG"
    unset = documents.update(student, second.id, pb.Document(), "is_default")
    assert await refusal(unset) == "INVALID_FIELD"
    assert await refusal(documents.update(student, second.id, pb.Document(), "name")) == "INVALID_FIELD"


async def test_a_content_whose_record_was_never_written_is_found_and_deleted(
    documents: DocumentHarness, student: Principal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, begun = await documents.ready(student), await documents.create(student)

    async def killed(*_: Any, **__: Any) -> StudentDocuments:
        raise asyncio.CancelledError

    with monkeypatch.context() as here:
        here.setattr(documents.repository, "update", killed)
        with pytest.raises(asyncio.CancelledError):
            await documents.upload(begun.upload_url, pdf())
    assert len(await documents.blob_keys()) == 2
    assert await documents.verify(write=True) == {"records": 0, "blobs": 0, "interrupted uploads": 0}
    await make_old(documents, tmp_path)
    assert await documents.verify(write=False) == {"records": 0, "blobs": 1}
    assert (await documents.verify(write=True))["blobs"] == 1
    [key] = await documents.blob_keys()
    assert kept.id in key
    assert await documents.verify(write=False) == {"records": 0, "blobs": 0}
    assert (await documents.upload(begun.upload_url, pdf())).state == SCANNING


async def test_a_record_whose_content_is_lost_is_found_and_says_so_to_its_owner(
    documents: DocumentHarness, student: Principal
) -> None:
    kept, lost = await documents.ready(student), await documents.ready(student, TEXT)
    [key] = [key for key in await documents.blob_keys() if lost.id in key]
    url = await documents.download_url(student, lost.id)
    await documents.blobs.delete(key)
    assert await refusal(documents.download(url)) == "DOCUMENT_NOT_FOUND"
    assert (await documents.verify(write=False))["records"] == 1
    assert (await documents.get(student, lost.id)).state == READY
    assert (await documents.verify(write=True))["records"] == 1
    found = await documents.get(student, lost.id)
    assert found.versions[0].quarantine_reason == pb.QUARANTINE_REASON_CONTENT_LOST
    assert (await documents.verify(write=True))["records"] == 0
    assert (await documents.get(student, kept.id)).state == READY


async def test_an_empty_store_is_taken_for_the_wrong_one_and_no_content_is_given_up(
    documents: DocumentHarness, student: Principal, tmp_path: Path
) -> None:
    document = await documents.ready(student)
    documents.blobs = DiskBlobStore(tmp_path / "another disk")
    with pytest.raises(EmptyBlobStoreError):
        await documents.verify(write=True)
    assert (await documents.get(student, document.id)).state == READY
