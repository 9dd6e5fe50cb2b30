"""Clients of other services: the listing from the internship service, the student from the user service."""

from collections.abc import Mapping, Sequence

import grpc

from chassis.concurrency.batch_loader import BatchLoader
from chassis.errors import DomainError, not_found, unavailable
from internshipconnect.internship.v1 import internship_pb2 as internship
from internshipconnect.internship.v1.internship_pb2_grpc import InternshipServiceStub
from internshipconnect.user.v1 import user_pb2 as user
from internshipconnect.user.v1.user_pb2_grpc import UserServiceStub
from services.application.domain.submission import ListingIntake, StudentSnapshot
from services.application.mapping import intake_from_message, student_from_message


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

    async def _load_batch(self, student_ids: Sequence[str]) -> Mapping[str, StudentSnapshot | DomainError]:
        request = user.BatchGetStudentSnapshotsRequest(student_ids=student_ids)
        answer = await self._stub.BatchGetStudentSnapshots(request)
        return {
            **{id_: not_found("USER_NOT_FOUND", "student", id_) for id_ in student_ids},
            **{id_: unavailable("The profile") for id_ in answer.unavailable_ids},
            **{snapshot.student_id: student_from_message(snapshot) for snapshot in answer.snapshots},
        }
