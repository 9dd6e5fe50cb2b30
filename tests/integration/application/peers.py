"""The services that the application service calls, with data of the test, on a real server."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, Final

import grpc
from google.protobuf.message import Message

from chassis.errors import DomainError, domain_error
from chassis.grpc.client import Peers
from chassis.grpc.error_status import STATUS_DETAILS_METADATA_KEY, error_to_status, status_code_of
from internshipconnect.internship.v1 import internship_pb2 as internship
from internshipconnect.user.v1 import documents_pb2 as documents
from internshipconnect.user.v1 import user_pb2 as user

LINK_EXPIRE_TIME: Final = datetime(2027, 3, 1, 9, 5, tzinfo=UTC)


def rpc_handler(rpc: Callable[[Any], Awaitable[Message]], request: type[Message]) -> Any:
    """Answer one RPC of a peer, with domain errors as the contract says."""

    async def answer(message: Any, context: Any) -> Message:
        try:
            return await rpc(message)
        except DomainError as error:
            details = ((STATUS_DETAILS_METADATA_KEY, error_to_status(error, "").SerializeToString()),)
            await context.abort(status_code_of(error), error.message, trailing_metadata=details)
            raise

    return grpc.unary_unary_rpc_method_handler(
        answer, request.FromString, lambda message: message.SerializeToString()
    )


class InternshipService:
    """Listings of the test, with counts of openings; `interrupt` names where a call is cut short."""

    def __init__(self) -> None:
        self.listings: dict[str, internship.Internship] = {}
        self.taken: dict[str, dict[str, int]] = {}
        self.kept: dict[str, set[str]] = {}
        self.reads = 0
        self.interrupt: str = ""

    async def BatchGetIntakes(
        self, request: internship.BatchGetIntakesRequest
    ) -> internship.BatchGetIntakesResponse:
        self.reads += 1
        found = [self.listings[id_] for id_ in request.internship_ids if id_ in self.listings]
        return internship.BatchGetIntakesResponse(intakes=map(_intake, found))

    async def ReserveOpening(
        self, request: internship.ReserveOpeningRequest
    ) -> internship.ReserveOpeningResponse:
        if self.interrupt == "before keeping":
            raise DomainError("UNAVAILABLE", "cut short")
        listing = self.listings[request.internship_id]
        taken, kept = self.taken.setdefault(listing.id, {}), self.kept.setdefault(listing.id, set())
        if request.application_id not in kept and len(taken.keys() | kept) >= listing.openings:
            raise domain_error("NO_OPENING_LEFT", "All openings are taken.")
        kept.add(request.application_id)
        if self.interrupt == "after keeping":
            raise DomainError("UNAVAILABLE", "cut short")
        return internship.ReserveOpeningResponse(openings=listing.openings, hires=len(taken))

    async def TakeOpening(self, request: internship.TakeOpeningRequest) -> internship.TakeOpeningResponse:
        if self.interrupt == "before taking":
            raise DomainError("UNAVAILABLE", "cut short")
        listing = self.listings[request.internship_id]
        taken = self.taken.setdefault(listing.id, {})
        others = taken.keys() | (self.kept.get(listing.id, set()) - {request.application_id})
        if request.application_id not in taken and len(others) >= listing.openings:
            raise domain_error("NO_OPENING_LEFT", "All openings are taken.")
        self.kept.get(listing.id, set()).discard(request.application_id)
        taken[request.application_id] = request.application_version
        if self.interrupt == "after taking":
            raise DomainError("UNAVAILABLE", "cut short")
        return internship.TakeOpeningResponse(openings=listing.openings, hires=len(taken))


def _intake(listing: internship.Internship) -> internship.Intake:
    return internship.Intake(
        internship_id=listing.id,
        version=listing.version,
        title=listing.title,
        company=listing.company,
        state=listing.state,
        open_for_applications=listing.open_for_applications,
        apply_open_time=listing.apply_open_time if listing.HasField("apply_open_time") else None,
        apply_deadline=listing.apply_deadline if listing.HasField("apply_deadline") else None,
        questions=listing.questions,
        respond_within_days=listing.respond_within_days,
        blind_review=listing.blind_review,
    )


class UserService:
    """Students of the test; one that `is_old` knows no blind view."""

    def __init__(self) -> None:
        self.blocked: tuple[str, ...] = ()
        self.is_old = False

    async def BatchGetStudentSnapshots(
        self, request: user.BatchGetStudentSnapshotsRequest
    ) -> user.BatchGetStudentSnapshotsResponse:
        return user.BatchGetStudentSnapshotsResponse(snapshots=map(self._snapshot, request.student_ids))

    async def GetStudentSnapshot(self, request: user.GetStudentSnapshotRequest) -> user.StudentSnapshot:
        snapshot = self._snapshot(request.student_id)
        if request.with_blind_profile and not self.is_old:
            snapshot.blind_profile.CopyFrom(user.StudentProfile(headline="…", summary="Likes maps."))
            snapshot.blind_texts.extend(text.replace("Ada", "…") for text in request.texts)
        return snapshot

    def _snapshot(self, student_id: str) -> user.StudentSnapshot:
        return user.StudentSnapshot(
            student_id=student_id,
            name="Ada",
            email="ada@example.org",
            profile=user.StudentProfile(headline="Maths", blocked_company_ids=self.blocked),
            blocked_company_ids=self.blocked,
        )


class DocumentService:
    """Documents of the test's students, each ready unless it is named in `unready`, and their holds.

    `interrupt` is called once versions are held, before that is answered.
    """

    def __init__(self) -> None:
        self.owners: dict[str, str] = {}
        self.unready: set[str] = set()
        self.holds: dict[str, list[str]] = {}
        self.settled: set[str] = set()
        self.interrupt: Callable[[], Awaitable[None]] | None = None

    async def HoldDocuments(self, request: documents.HoldDocumentsRequest) -> documents.HoldDocumentsResponse:
        for document_id in request.document_ids:
            if self.owners.get(document_id) != request.student_id:
                raise domain_error("DOCUMENT_NOT_FOUND", "There is no such document.")
            if document_id in self.unready:
                raise domain_error("DOCUMENT_NOT_READY", "No version of it is ready.")
        self.holds.setdefault(request.application_id, list(request.document_ids))
        if self.interrupt is not None:
            await self.interrupt()
        return documents.HoldDocumentsResponse(documents=map(_held_document, request.document_ids))

    async def SettleDocumentHolds(
        self, request: documents.SettleDocumentHoldsRequest
    ) -> documents.SettleDocumentHoldsResponse:
        if request.stored:
            self.settled |= set(request.application_ids)
        else:
            for application_id in request.application_ids:
                self.holds.pop(application_id, None)
        return documents.SettleDocumentHoldsResponse()

    async def ListUnsettledDocumentHolds(
        self, _: documents.ListUnsettledDocumentHoldsRequest
    ) -> documents.ListUnsettledDocumentHoldsResponse:
        unsettled = [each for each in self.holds if each not in self.settled]
        return documents.ListUnsettledDocumentHoldsResponse(application_ids=unsettled[:2])

    async def GetHeldDocumentUrl(
        self, request: documents.GetHeldDocumentUrlRequest
    ) -> documents.DocumentDownload:
        if request.document_id not in self.holds.get(request.application_id, ()):
            raise domain_error("DOCUMENT_NOT_FOUND", "There is no such document.")
        answer = documents.DocumentDownload(url=f"https://api.test/{request.document_id}", version=2)
        answer.expire_time.FromDatetime(LINK_EXPIRE_TIME)
        return answer


def _held_document(document_id: str) -> documents.HeldDocument:
    return documents.HeldDocument(
        document_id=document_id,
        version=2,
        kind=documents.DOCUMENT_KIND_RESUME,
        name="Resume.pdf",
        media_type="application/pdf",
        size_bytes=7,
        sha256="ab" * 32,
    )


class _AnonymousIdentity:
    def token(self) -> str:
        return ""


@asynccontextmanager
async def peers_of(
    internships: InternshipService, users: UserService, document_service: DocumentService
) -> AsyncIterator[Peers]:
    """Run these services on a real server, and yield the client with which ours calls them."""
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((_internships(internships), _users(users), _documents(document_service)))
    address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    await server.start()
    peers = Peers({"internship": address, "user": address}, _AnonymousIdentity())
    try:
        yield peers
    finally:
        await peers.close()
        await server.stop(0)


def _internships(service: InternshipService) -> grpc.GenericRpcHandler:
    name = internship.DESCRIPTOR.services_by_name["InternshipService"].full_name
    methods = {
        "BatchGetIntakes": rpc_handler(service.BatchGetIntakes, internship.BatchGetIntakesRequest),
        "ReserveOpening": rpc_handler(service.ReserveOpening, internship.ReserveOpeningRequest),
        "TakeOpening": rpc_handler(service.TakeOpening, internship.TakeOpeningRequest),
    }
    return grpc.method_handlers_generic_handler(name, methods)


def _users(service: UserService) -> grpc.GenericRpcHandler:
    name = user.DESCRIPTOR.services_by_name["UserService"].full_name
    methods = {
        "BatchGetStudentSnapshots": rpc_handler(
            service.BatchGetStudentSnapshots, user.BatchGetStudentSnapshotsRequest
        ),
        "GetStudentSnapshot": rpc_handler(service.GetStudentSnapshot, user.GetStudentSnapshotRequest),
    }
    return grpc.method_handlers_generic_handler(name, methods)


def _documents(service: DocumentService) -> grpc.GenericRpcHandler:
    name = documents.DESCRIPTOR.services_by_name["DocumentService"].full_name
    methods = {
        "HoldDocuments": rpc_handler(service.HoldDocuments, documents.HoldDocumentsRequest),
        "SettleDocumentHolds": rpc_handler(service.SettleDocumentHolds, documents.SettleDocumentHoldsRequest),
        "ListUnsettledDocumentHolds": rpc_handler(
            service.ListUnsettledDocumentHolds, documents.ListUnsettledDocumentHoldsRequest
        ),
        "GetHeldDocumentUrl": rpc_handler(service.GetHeldDocumentUrl, documents.GetHeldDocumentUrlRequest),
    }
    return grpc.method_handlers_generic_handler(name, methods)
