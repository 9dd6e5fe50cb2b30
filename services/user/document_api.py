"""The gRPC interface of students' documents: each method parses, calls a use case and maps its answer."""

from collections.abc import AsyncIterator
from typing import Final

from google.api.httpbody_pb2 import HttpBody

from chassis.call_context import current_operation, current_principal
from chassis.field_masks import apply_mask, changed_paths
from chassis.grpc.handlers import RpcContext
from internshipconnect.user.v1 import documents_pb2 as pb
from internshipconnect.user.v1 import user_pb2
from internshipconnect.user.v1.documents_pb2_grpc import DocumentServiceServicer
from services.user.document_mapping import (
    document_download_message,
    document_hold_message,
    document_kind_from_number,
    document_message,
    document_upload_message,
    edited_document,
)
from services.user.domain.documents import StudentDocument
from services.user.download_headers import download_headers
from services.user.mapping import me_message
from services.user.resume_draft_mapping import resume_draft_message, taken_draft
from services.user.service.document_use_cases import DocumentUseCases

WRITABLE_DOCUMENT_FIELDS: Final = frozenset({"name", "is_default"})


class DocumentServicer(DocumentServiceServicer):
    """`DocumentService` of the contract; but for links, every call is about the caller's own documents."""

    def __init__(self, use_cases: DocumentUseCases, public_url: str) -> None:
        self._documents = use_cases.managing
        self._contents = use_cases.transferring
        self._drafts = use_cases.drafts
        self._holds = use_cases.holding
        self._public_url = public_url

    async def CreateDocument(
        self, request: pb.CreateDocumentRequest, context: RpcContext
    ) -> pb.DocumentUpload:
        principal, kind = current_principal(), document_kind_from_number(request.kind)
        document = await self._documents.begin_document(principal, kind, request.name, current_operation())
        link = self._contents.upload_link(principal, document)
        return document_upload_message(document, link, self._public_url)

    async def CreateDocumentVersion(
        self, request: pb.CreateDocumentVersionRequest, context: RpcContext
    ) -> pb.DocumentUpload:
        principal = current_principal()
        document = await self._documents.begin_version(principal, request.document_id)
        link = self._contents.upload_link(principal, document)
        return document_upload_message(document, link, self._public_url)

    async def UploadDocument(self, request: pb.UploadDocumentRequest, context: RpcContext) -> pb.Document:
        return document_message(
            await self._contents.upload(request.document_id, request.ticket, request.content.data)
        )

    async def ListMyDocuments(
        self, request: pb.ListMyDocumentsRequest, context: RpcContext
    ) -> pb.ListMyDocumentsResponse:
        documents = await self._documents.list_all(current_principal())
        return pb.ListMyDocumentsResponse(data=map(document_message, documents))

    async def GetDocument(self, request: pb.GetDocumentRequest, context: RpcContext) -> pb.Document:
        return document_message(await self._documents.get(current_principal(), request.document_id))

    async def UpdateDocument(self, request: pb.UpdateDocumentRequest, context: RpcContext) -> pb.Document:
        paths = changed_paths(request.document, request.update_mask, writable=WRITABLE_DOCUMENT_FIELDS)

        def edit(document: StudentDocument) -> StudentDocument:
            message = document_message(document)
            apply_mask(message, request.document, paths)
            return edited_document(document, message)

        return document_message(
            await self._documents.update(
                current_principal(), request.document_id, edit, expected_etag=request.document.etag
            )
        )

    async def DeleteDocument(
        self, request: pb.DeleteDocumentRequest, context: RpcContext
    ) -> pb.DeleteDocumentResponse:
        await self._documents.delete(current_principal(), request.document_id, current_operation())
        return pb.DeleteDocumentResponse()

    async def GetDownloadUrl(
        self, request: pb.GetDownloadUrlRequest, context: RpcContext
    ) -> pb.DocumentDownload:
        link = await self._contents.download_link(current_principal(), request.document_id, request.version)
        return document_download_message(link, self._public_url)

    async def DownloadDocument(
        self, request: pb.DownloadDocumentRequest, context: RpcContext
    ) -> AsyncIterator[HttpBody]:
        """Yield the parts of the file."""
        found = await self._contents.download(request.document_id, request.ticket)
        await context.send_initial_metadata(download_headers(found.name, found.media_type))
        async for part in found.parts:
            yield HttpBody(content_type=found.media_type, data=part)

    async def GetResumeDraft(self, request: pb.GetResumeDraftRequest, context: RpcContext) -> pb.ResumeDraft:
        return resume_draft_message(await self._drafts.get(current_principal(), request.document_id))

    async def ConfirmResumeDraft(
        self, request: pb.ConfirmResumeDraftRequest, context: RpcContext
    ) -> user_pb2.Me:
        return me_message(
            await self._drafts.confirm(
                current_principal(),
                request.document_id,
                taken_draft(request),
                expected_version=request.version,
                expected_etag=request.etag,
            )
        )

    async def DiscardResumeDraft(
        self, request: pb.DiscardResumeDraftRequest, context: RpcContext
    ) -> pb.ResumeDraft:
        return resume_draft_message(await self._drafts.discard(current_principal(), request.document_id))

    async def HoldDocuments(
        self, request: pb.HoldDocumentsRequest, context: RpcContext
    ) -> pb.HoldDocumentsResponse:
        return document_hold_message(
            await self._holds.hold(request.application_id, request.student_id, request.document_ids)
        )

    async def SettleDocumentHolds(
        self, request: pb.SettleDocumentHoldsRequest, context: RpcContext
    ) -> pb.SettleDocumentHoldsResponse:
        await self._holds.settle(request.application_ids, are_stored=request.stored)
        return pb.SettleDocumentHoldsResponse()

    async def ListUnsettledDocumentHolds(
        self, request: pb.ListUnsettledDocumentHoldsRequest, context: RpcContext
    ) -> pb.ListUnsettledDocumentHoldsResponse:
        return pb.ListUnsettledDocumentHoldsResponse(application_ids=await self._holds.list_unsettled())

    async def GetHeldDocumentUrl(
        self, request: pb.GetHeldDocumentUrlRequest, context: RpcContext
    ) -> pb.DocumentDownload:
        link = await self._contents.held_download_link(request.application_id, request.document_id)
        return document_download_message(link, self._public_url)
