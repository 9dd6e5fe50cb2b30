from datetime import UTC, datetime, timedelta

import pytest
from google.protobuf.json_format import MessageToDict

from internshipconnect.events.v1 import events_pb2 as events
from internshipconnect.user.v1 import documents_pb2 as pb
from services.user.document_mapping import (
    document_download_message,
    document_event_message,
    document_kind_from_number,
    document_message,
    document_upload_message,
    edited_document,
)
from services.user.domain.document_events import (
    DocumentContentsWereReleased,
    DocumentContentWasReceived,
    ResumeBecameReady,
)
from services.user.domain.documents import (
    DocumentKind,
    DocumentLink,
    DocumentState,
    DocumentVersion,
    QuarantineReason,
    StudentDocument,
)

NOW = datetime(2027, 1, 1, tzinfo=UTC)
DOCUMENT = StudentDocument(
    "doc_01JD0000000000000000000000",
    DocumentKind.TRANSCRIPT,
    "Grades.pdf",
    NOW,
    NOW,
    (
        DocumentVersion(
            1, NOW, NOW, DocumentState.READY, "documents/secret", "application/pdf", 7, "ab" * 32, NOW
        ),
        DocumentVersion(2, NOW, NOW, DocumentState.QUARANTINED, quarantine_reason=QuarantineReason.ENCRYPTED),
    ),
    versions_begun=2,
    is_default=True,
    version=4,
)
LINK = DocumentLink(DOCUMENT.id, 2, "ticket-1", NOW + timedelta(minutes=5))


def test_a_document_is_shown_with_its_newest_version_first_and_without_where_it_is_kept() -> None:
    shown = MessageToDict(document_message(DOCUMENT))
    assert (shown["kind"], shown["state"]) == ("DOCUMENT_KIND_TRANSCRIPT", "DOCUMENT_STATE_QUARANTINED")
    assert [each["number"] for each in shown["versions"]] == [2, 1]
    assert shown["versions"][0]["quarantineReason"] == "QUARANTINE_REASON_ENCRYPTED"
    assert (shown["etag"], shown["isDefault"]) == ("v4", True)
    assert "secret" not in str(shown)


@pytest.mark.parametrize("kind", [each for each in DocumentKind if each is not DocumentKind.UNSPECIFIED])
def test_each_kind_is_read_by_its_name(kind: DocumentKind) -> None:
    assert document_kind_from_number(pb.DocumentKind.Value(f"DOCUMENT_KIND_{kind}")) is kind


def test_only_name_and_default_are_edited() -> None:
    message = document_message(DOCUMENT)
    message.name, message.is_default, message.state = "Other.pdf", False, pb.DOCUMENT_STATE_READY
    edited = edited_document(DOCUMENT, message)
    assert (edited.name, edited.is_default, edited.versions) == ("Other.pdf", False, DOCUMENT.versions)


def test_links_lead_through_the_gateway() -> None:
    url = f"https://api.example.com/api/v1/documents/{DOCUMENT.id}/content?ticket=ticket-1"
    upload = document_upload_message(DOCUMENT, LINK, "https://api.example.com")
    download = document_download_message(LINK, "https://api.example.com")
    assert upload.upload_url == download.url == url
    assert upload.expire_time == download.expire_time
    assert download.version == 2


def test_events_are_messages() -> None:
    assert document_event_message(DocumentContentWasReceived("usr", "doc", 3)) == events.DocumentUploaded(
        user_id="usr", document_id="doc", version=3
    )
    assert document_event_message(
        DocumentContentsWereReleased("usr", ("a", "b"))
    ) == events.DocumentContentsReleased(user_id="usr", blob_keys=["a", "b"])
    assert document_event_message(ResumeBecameReady("usr", "doc", 3)) == events.ResumeReady(
        user_id="usr", document_id="doc", version=3
    )
