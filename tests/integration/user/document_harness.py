"""The documents of the user service without its gRPC server, on a store in a folder."""

from dataclasses import dataclass, field
from typing import Any, cast
from urllib.parse import parse_qs, urlsplit

from google.api.httpbody_pb2 import HttpBody
from google.protobuf.field_mask_pb2 import FieldMask

from chassis.blobs import BlobStore
from chassis.call_context import Principal, acting_as
from chassis.clock import FixedClock
from chassis.errors import unavailable
from chassis.search.gazetteer import shared_gazetteer
from chassis.security.data_keys import DataKeys
from chassis.security.link_tickets import LinkTickets
from chassis.sharding.shards import Shards
from internshipconnect.events.v1.events_pb2 import DocumentContentsReleased, DocumentUploaded
from internshipconnect.user.v1 import documents_pb2 as pb
from services.user.document_api import DocumentServicer
from services.user.domain.documents import QuarantineReason
from services.user.event_handlers import DocumentEventHandlers
from services.user.repository import UserRepositories
from services.user.scanners import RuleScanner
from services.user.service.document_use_cases import DocumentAdapters, DocumentUseCases
from services.user.service.manage_profiles import ManageProfiles
from services.user.service.resume_parser import ResumeParser
from services.user.service.verify_documents import VerifyDocuments
from tests.databases import read_outbox
from tests.fakes.resume_parser import FakeResumeParser
from tests.unit.user.files import pdf

NOTHING = cast(Any, None)


class SwitchableScanner:
    """The rules, unless the scanner is down."""

    def __init__(self) -> None:
        self.is_down = False

    async def scan(self, content: bytes, media_type: str) -> QuarantineReason:
        if self.is_down:
            raise unavailable("The scanner")
        return await RuleScanner().scan(content, media_type)


class RecordingContext:
    """Keeps the headers that a stream sends first."""

    def __init__(self) -> None:
        self.headers: dict[str, str] = {}

    async def send_initial_metadata(self, headers: Any) -> None:
        self.headers = dict(headers)


@dataclass
class DocumentHarness:
    """Calls as the gateway makes them, and the worker when it is asked to."""

    shards: Shards
    clock: FixedClock
    blobs: BlobStore
    scanner: SwitchableScanner = field(default_factory=SwitchableScanner)
    parser: ResumeParser = field(default_factory=FakeResumeParser)

    def __post_init__(self) -> None:
        stored = UserRepositories.open(self.shards, shared_gazetteer(), self.clock)
        self.repository, self.holds = stored.documents, stored.holds
        tickets = LinkTickets(DataKeys(bytes(32)))
        adapters = DocumentAdapters(self.blobs, self.scanner, tickets, self.parser)
        profiles = ManageProfiles(stored.profiles, self.clock)
        self.use_cases = DocumentUseCases.build(stored, adapters, profiles, self.clock)
        self.api = DocumentServicer(self.use_cases, "https://api.test")
        self._handlers = DocumentEventHandlers(self.use_cases.scanning)

    async def create(
        self, student: Principal, name: str = "Resume.pdf", kind: int = pb.DOCUMENT_KIND_RESUME
    ) -> pb.DocumentUpload:
        request = pb.CreateDocumentRequest(kind=cast(Any, kind), name=name)
        with acting_as(student):
            return await self.api.CreateDocument(request, NOTHING)

    async def create_version(self, student: Principal, document_id: str) -> pb.DocumentUpload:
        with acting_as(student):
            return await self.api.CreateDocumentVersion(
                pb.CreateDocumentVersionRequest(document_id=document_id), NOTHING
            )

    async def upload(self, url: str, content: bytes) -> pb.Document:
        """Send a content to an address as anybody can who has it."""
        request = pb.UploadDocumentRequest(**_link(url), content=HttpBody(data=content))
        return await self.api.UploadDocument(request, NOTHING)

    async def uploaded(self, student: Principal, content: bytes = pdf(), **request: Any) -> pb.Document:
        return await self.upload((await self.create(student, **request)).upload_url, content)

    async def ready(self, student: Principal, content: bytes = pdf(), **request: Any) -> pb.Document:
        document = await self.uploaded(student, content, **request)
        await self.work(student)
        return await self.get(student, document.id)

    async def get(self, student: Principal, document_id: str) -> pb.Document:
        with acting_as(student):
            return await self.api.GetDocument(pb.GetDocumentRequest(document_id=document_id), NOTHING)

    async def list_all(self, student: Principal) -> list[pb.Document]:
        with acting_as(student):
            return list((await self.api.ListMyDocuments(pb.ListMyDocumentsRequest(), NOTHING)).data)

    async def update(
        self, student: Principal, document_id: str, document: pb.Document, *paths: str
    ) -> pb.Document:
        request = pb.UpdateDocumentRequest(
            document_id=document_id, document=document, update_mask=FieldMask(paths=paths)
        )
        with acting_as(student):
            return await self.api.UpdateDocument(request, NOTHING)

    async def delete(self, student: Principal, document_id: str) -> None:
        with acting_as(student):
            await self.api.DeleteDocument(pb.DeleteDocumentRequest(document_id=document_id), NOTHING)

    async def download_url(self, student: Principal, document_id: str, version: int = 0) -> str:
        request = pb.GetDownloadUrlRequest(document_id=document_id, version=version)
        with acting_as(student):
            return (await self.api.GetDownloadUrl(request, NOTHING)).url

    async def download(self, url: str) -> tuple[bytes, str, dict[str, str]]:
        """Return the content at an address, its type and its headers."""
        context = RecordingContext()
        request = pb.DownloadDocumentRequest(**_link(url))
        stream = self.api.DownloadDocument(request, cast(Any, context))
        parts = [part async for part in stream]
        return b"".join(part.data for part in parts), parts[0].content_type, context.headers

    async def hold(
        self, student: Principal, application_id: str, *document_ids: str
    ) -> list[pb.HeldDocument]:
        """Hold documents for an application, as its service asks for it."""
        request = pb.HoldDocumentsRequest(
            application_id=application_id, student_id=student.id, document_ids=document_ids
        )
        return list((await self.api.HoldDocuments(request, NOTHING)).documents)

    async def settle(self, *application_ids: str, stored: bool) -> None:
        request = pb.SettleDocumentHoldsRequest(application_ids=application_ids, stored=stored)
        await self.api.SettleDocumentHolds(request, NOTHING)

    async def unsettled(self) -> set[str]:
        request = pb.ListUnsettledDocumentHoldsRequest()
        return set((await self.api.ListUnsettledDocumentHolds(request, NOTHING)).application_ids)

    async def held_url(self, application_id: str, document_id: str) -> str:
        request = pb.GetHeldDocumentUrlRequest(application_id=application_id, document_id=document_id)
        return (await self.api.GetHeldDocumentUrl(request, NOTHING)).url

    async def work(self, student: Principal) -> None:
        """Handle all events about a student's documents as a worker does, perhaps once more."""
        for uploaded in await read_outbox(self.shards, DocumentUploaded, student.id):
            await self._handlers.document_uploaded(uploaded, NOTHING)
        for released in await read_outbox(self.shards, DocumentContentsReleased, student.id):
            await self._handlers.document_contents_released(released, NOTHING)

    async def blob_keys(self) -> list[str]:
        """Return the keys of all contents."""
        return [blob.key for blob in await self.blobs.list_page("documents", limit=1_000)]

    async def verify(self, *, write: bool) -> dict[str, int]:
        """Return by kind how many were wrong."""
        wrong: dict[str, int] = {}

        def progress(what: str, _: int, wrong_ones: int) -> None:
            wrong[what] = wrong.get(what, 0) + wrong_ones

        await VerifyDocuments(self.repository, self.holds, self.blobs, self.clock, write=write).verify(
            progress
        )
        return wrong


def _link(url: str) -> dict[str, str]:
    parts = urlsplit(url)
    assert (parts.netloc, parts.path[:18]) == ("api.test", "/api/v1/documents/")
    return {"document_id": parts.path.split("/")[4], "ticket": parse_qs(parts.query)["ticket"][0]}
