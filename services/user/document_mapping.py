"""Documents to contract messages and back."""

from dataclasses import replace
from typing import Final

from google.protobuf.message import Message

from chassis.message_fields import enum_names
from chassis.mongo.documents import format_etag
from internshipconnect.events.v1 import events_pb2 as events
from internshipconnect.user.v1 import documents_pb2 as pb
from services.user.domain.document_events import (
    DocumentContentsWereReleased,
    DocumentContentWasReceived,
    DocumentEvent,
    ResumeBecameReady,
)
from services.user.domain.document_holds import DocumentHold, HeldVersion
from services.user.domain.documents import DocumentKind, DocumentLink, StudentDocument
from services.user.mapping import entity_to_message

_KINDS: Final = enum_names(pb.DocumentKind.DESCRIPTOR)
_STATES: Final = enum_names(pb.DocumentState.DESCRIPTOR)


def document_kind_from_number(number: pb.DocumentKind.ValueType) -> DocumentKind:
    """Return the kind that a request names."""
    return _KINDS.member(DocumentKind, number)


def document_message(document: StudentDocument) -> pb.Document:
    """Return the document as its owner sees it."""
    message = entity_to_message(pb.Document, replace(document, versions=document.versions[::-1]))
    message.state = _STATES.number(document.state)
    message.etag = format_etag(document.version)
    return message


def edited_document(document: StudentDocument, message: pb.Document) -> StudentDocument:
    """Return the document with the edited fields."""
    return replace(document, name=message.name, is_default=message.is_default)


def document_upload_message(
    document: StudentDocument, link: DocumentLink, public_url: str
) -> pb.DocumentUpload:
    """Return the document with the address for its content."""
    answer = pb.DocumentUpload(document=document_message(document), upload_url=_content_url(link, public_url))
    answer.expire_time.FromDatetime(link.expire_time)
    return answer


def document_download_message(link: DocumentLink, public_url: str) -> pb.DocumentDownload:
    """Return the address of a content."""
    answer = pb.DocumentDownload(url=_content_url(link, public_url), version=link.version)
    answer.expire_time.FromDatetime(link.expire_time)
    return answer


def document_hold_message(hold: DocumentHold) -> pb.HoldDocumentsResponse:
    """Return what an application holds."""
    return pb.HoldDocumentsResponse(documents=map(_held_document, hold.versions))


def _held_document(held: HeldVersion) -> pb.HeldDocument:
    message = entity_to_message(pb.HeldDocument, held)
    message.version = held.number
    return message


def document_event_message(event: DocumentEvent) -> Message:
    """Return the message of a document's event."""
    match event:
        case DocumentContentWasReceived(user_id, document_id, version):
            return events.DocumentUploaded(user_id=user_id, document_id=document_id, version=version)
        case DocumentContentsWereReleased(user_id, blob_keys):
            return events.DocumentContentsReleased(user_id=user_id, blob_keys=blob_keys)
        case ResumeBecameReady(user_id, document_id, version):
            return events.ResumeReady(user_id=user_id, document_id=document_id, version=version)


def _content_url(link: DocumentLink, public_url: str) -> str:
    return f"{public_url}/api/v1/documents/{link.document_id}/content?ticket={link.ticket}"
