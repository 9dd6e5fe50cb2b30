"""What an application holds of its student's documents."""

from collections.abc import Mapping
from datetime import UTC, datetime

import pytest

from chassis.errors import DomainError
from internshipconnect.user.v1 import documents_pb2 as pb
from services.user.document_mapping import document_hold_message
from services.user.domain.document_holds import MAX_HELD_BYTES, DocumentHold, hold_documents
from services.user.domain.documents import (
    DocumentKind,
    QuarantineReason,
    ReceivedContent,
    StudentDocuments,
)

NOW = datetime(2027, 1, 1, tzinfo=UTC)
STUDENT, APPLICATION = "usr_01JD0000000000000000000000", "app_01JD0000000000000000000000"
FINE = QuarantineReason.UNSPECIFIED


def received(documents: StudentDocuments, document_id: str, number: int = 1) -> StudentDocuments:
    content = ReceivedContent(f"{document_id}/{number}", "application/pdf", 100, f"hash {number}")
    return documents.with_content(document_id, number, content, NOW)


def ready(*document_ids: str) -> StudentDocuments:
    documents = StudentDocuments(STUDENT)
    for document_id in document_ids:
        begun = documents.with_document(document_id, DocumentKind.TRANSCRIPT, f"{document_id}.pdf", NOW)
        documents = received(begun, document_id).with_verdict(document_id, 1, FINE, NOW)
    return documents


def held(
    documents: StudentDocuments, *document_ids: str, held_bytes: Mapping[str, int] | None = None
) -> DocumentHold:
    return hold_documents(APPLICATION, documents, document_ids, NOW, held_bytes=held_bytes or {})


def reason_of(documents: StudentDocuments, *document_ids: str) -> str:
    with pytest.raises(DomainError) as refused:
        held(documents, *document_ids)
    return refused.value.reason


def test_each_document_is_held_in_its_newest_version_that_is_ready() -> None:
    documents = received(ready("doc_a", "doc_b").with_new_version("doc_a", NOW), "doc_a", 2)
    hold = held(documents, "doc_b", "doc_a")
    assert [(each.document_id, each.number) for each in hold.versions] == [("doc_b", 1), ("doc_a", 1)]
    checked = documents.with_verdict("doc_a", 2, FINE, NOW)
    assert held(checked, "doc_a").versions[0].number == 2
    harmful = documents.with_verdict("doc_a", 2, QuarantineReason.MALWARE, NOW)
    assert held(harmful, "doc_a").versions[0].number == 1


def test_a_document_that_is_named_twice_is_held_once() -> None:
    hold = held(ready("doc_a"), "doc_a", "doc_a")
    assert hold.blob_keys() == ("doc_a/1",)


def test_what_is_missing_or_not_ready_is_not_held() -> None:
    assert reason_of(ready("doc_a"), "doc_a", "doc_x") == "DOCUMENT_NOT_FOUND"
    assert reason_of(ready("doc_a").without_document("doc_a"), "doc_a") == "DOCUMENT_NOT_FOUND"
    waiting = ready("doc_a").with_document("doc_b", DocumentKind.OTHER, "b", NOW)
    assert reason_of(waiting, "doc_a", "doc_b") == "DOCUMENT_NOT_READY"


def test_a_hold_is_answered_without_where_the_content_is_kept() -> None:
    [shown] = document_hold_message(held(ready("doc_a"), "doc_a")).documents
    assert (shown.document_id, shown.version, shown.name) == ("doc_a", 1, "doc_a.pdf")
    assert (shown.kind, shown.sha256) == (pb.DOCUMENT_KIND_TRANSCRIPT, "hash 1")
    assert "doc_a/1" not in str(shown)


def test_a_hold_is_for_its_student_and_its_documents_in_their_order() -> None:
    hold = held(ready("doc_a", "doc_b"), "doc_a", "doc_b")
    assert hold.is_for(STUDENT, ["doc_a", "doc_b"])
    assert hold.is_for(STUDENT, ["doc_a", "doc_b", "doc_a"])
    assert not hold.is_for("usr_other", ["doc_a", "doc_b"])
    for others in (["doc_a"], ["doc_b", "doc_a"], ["doc_a", "doc_b", "doc_c"]):
        assert not hold.is_for(STUDENT, others)


def test_applications_hold_a_bounded_number_of_bytes_and_each_content_counts_once() -> None:
    documents = ready("doc_a", "doc_b")
    almost = {"doc_a/1": 100, "gone": MAX_HELD_BYTES - 200}
    assert held(documents, "doc_a", "doc_b", held_bytes=almost).versions
    full = {"doc_a/1": 100, "gone": MAX_HELD_BYTES - 100}
    assert held(documents, "doc_a", held_bytes=full).versions
    with pytest.raises(DomainError) as refused:
        held(documents, "doc_a", "doc_b", held_bytes=full)
    assert (refused.value.reason, "200 MB" in refused.value.message) == ("DOCUMENT_QUOTA_EXCEEDED", True)
