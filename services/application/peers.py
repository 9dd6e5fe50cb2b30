"""Clients of other services: listings from the internship service, students and documents from the user's."""

from collections.abc import Collection, Mapping, Sequence

import grpc

from chassis.concurrency.batch_loader import BatchLoader
from chassis.errors import DomainError, not_found, unavailable
from internshipconnect.internship.v1 import internship_pb2 as internship
from internshipconnect.internship.v1.internship_pb2_grpc import InternshipServiceStub
from internshipconnect.user.v1 import documents_pb2 as documents
from internshipconnect.user.v1 import user_pb2 as user
from internshipconnect.user.v1.documents_pb2_grpc import DocumentServiceStub
from internshipconnect.user.v1.user_pb2_grpc import UserServiceStub
from services.application.domain.model import SentDocument, SentDocumentLink
from services.application.domain.submission import ListingIntake, StudentSnapshot
from services.application.mapping import (
    document_link_from_message,
    intake_from_message,
    sent_document_from_message,
    student_from_message,
)


class ListingClient:
    """Calls of the internship service."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub = InternshipServiceStub(channel)
        self._loader = BatchLoader(self._load_batch)

    async def get_intake(self, internship_id: str) -> ListingIntake:
        """Return the listing as it is now. Raises INTERNSHIP_NOT_FOUND or UNAVAILABLE."""
        return await self._loader.get(internship_id)

    async def find_company_id(self, internship_id: str) -> str | None:
        """Return the ID of the listing's company; None when there is no such listing."""
        try:
            return (await self.get_intake(internship_id)).company_id
        except DomainError as error:
            if error.reason == "INTERNSHIP_NOT_FOUND":
                return None
            raise

    async def reserve_opening(self, internship_id: str, application_id: str, version: int) -> None:
        """Reserve one opening for an offer of the application; a repeat reserves no second one.

        Raises NO_OPENING_LEFT, INTERNSHIP_NOT_FOUND, or UNAVAILABLE, after which one may be reserved.
        """
        await self._stub.ReserveOpening(
            internship.ReserveOpeningRequest(
                internship_id=internship_id, application_id=application_id, application_version=version
            )
        )

    async def take_opening(self, internship_id: str, application_id: str, version: int) -> None:
        """Take one opening for the application, once; the last one makes the listing FILLED.

        Raises NO_OPENING_LEFT, INTERNSHIP_NOT_FOUND, or UNAVAILABLE, after which one may be taken.
        """
        await self._stub.TakeOpening(
            internship.TakeOpeningRequest(
                internship_id=internship_id, application_id=application_id, application_version=version
            )
        )

    async def _load_batch(self, internship_ids: Sequence[str]) -> Mapping[str, ListingIntake | DomainError]:
        request = internship.BatchGetIntakesRequest(internship_ids=internship_ids)
        answer = await self._stub.BatchGetIntakes(request)
        return {
            **{id_: not_found("INTERNSHIP_NOT_FOUND", "internship", id_) for id_ in internship_ids},
            **{id_: unavailable("The internship") for id_ in answer.unavailable_ids},
            **{intake.internship_id: intake_from_message(intake) for intake in answer.intakes},
        }


class StudentClient:
    """Calls of the user service."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub = UserServiceStub(channel)
        self._loader = BatchLoader(self._load_batch)

    async def get_snapshot(self, student_id: str) -> StudentSnapshot:
        """Return the student's profile as it is now. Raises USER_NOT_FOUND or UNAVAILABLE."""
        return await self._loader.get(student_id)

    async def get_blind_snapshot(self, student_id: str, texts: Sequence[str]) -> StudentSnapshot:
        """Return the same with the blind views of the profile and of other texts of the student.

        Raises USER_NOT_FOUND or UNAVAILABLE.
        """
        request = user.GetStudentSnapshotRequest(student_id=student_id, with_blind_profile=True, texts=texts)
        answer: user.StudentSnapshot = await self._stub.GetStudentSnapshot(request)
        if not answer.HasField("blind_profile") or len(answer.blind_texts) != len(texts):
            # A user service of an earlier version does not know the views; nothing else must stand for them.
            raise unavailable("The profile")
        return student_from_message(answer)

    async def _load_batch(self, student_ids: Sequence[str]) -> Mapping[str, StudentSnapshot | DomainError]:
        request = user.BatchGetStudentSnapshotsRequest(student_ids=student_ids)
        answer = await self._stub.BatchGetStudentSnapshots(request)
        return {
            **{id_: not_found("USER_NOT_FOUND", "student", id_) for id_ in student_ids},
            **{id_: unavailable("The profile") for id_ in answer.unavailable_ids},
            **{snapshot.student_id: student_from_message(snapshot) for snapshot in answer.snapshots},
        }


class DocumentClient:
    """Calls of the user service about documents that applications hold."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub = DocumentServiceStub(channel)

    async def hold(
        self, application_id: str, student_id: str, document_ids: Sequence[str]
    ) -> tuple[SentDocument, ...]:
        """Hold the newest ready version of each document for an application; a repeat answers the same.

        Raises DOCUMENT_NOT_FOUND, DOCUMENT_NOT_READY, DOCUMENT_QUOTA_EXCEEDED, or UNAVAILABLE, after which
        they may be held.
        """
        request = documents.HoldDocumentsRequest(
            application_id=application_id, student_id=student_id, document_ids=document_ids
        )
        answer: documents.HoldDocumentsResponse = await self._stub.HoldDocuments(request)
        return tuple(map(sent_document_from_message, answer.documents))

    async def settle(self, application_ids: Collection[str], *, are_stored: bool) -> None:
        """Say of applications that they are stored, or that they never will be. Raises UNAVAILABLE."""
        await self._stub.SettleDocumentHolds(
            documents.SettleDocumentHoldsRequest(application_ids=application_ids, stored=are_stored)
        )

    async def list_unsettled(self) -> list[str]:
        """Return applications of which the user service does not know for long whether they are stored."""
        answer: documents.ListUnsettledDocumentHoldsResponse = await self._stub.ListUnsettledDocumentHolds(
            documents.ListUnsettledDocumentHoldsRequest()
        )
        return list(answer.application_ids)

    async def find_link(self, application_id: str, document_id: str) -> SentDocumentLink:
        """Return the address of a held version. Raises DOCUMENT_NOT_FOUND or UNAVAILABLE."""
        request = documents.GetHeldDocumentUrlRequest(application_id=application_id, document_id=document_id)
        return document_link_from_message(await self._stub.GetHeldDocumentUrl(request))
