"""What other services know: the listing from the internship service, the student from the user service."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
from google.protobuf.timestamp_pb2 import Timestamp

from chassis.concurrency.batch_loader import BatchLoader
from chassis.errors import DomainError, not_found, unavailable
from internshipconnect.internship.v1 import internship_pb2 as internship
from internshipconnect.internship.v1.internship_pb2_grpc import InternshipServiceStub
from internshipconnect.user.v1 import user_pb2 as user
from internshipconnect.user.v1.user_pb2_grpc import UserServiceStub
from services.application.domain.model import Applicant
from services.application.domain.submission import (
    IntakeQuestion,
    IntakeQuestionKind,
    ListingIntake,
    StudentSnapshot,
)

_PRIVATE_PROFILE_FIELDS = ("blocked_company_ids", "visibility", "preferences")


class ListingClient:
    """The internship service, as far as applying needs it."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub = InternshipServiceStub(channel)
        self._loader = BatchLoader(self._load_batch)

    async def get(self, internship_id: str) -> ListingIntake:
        """The listing as it is now. Raises INTERNSHIP_NOT_FOUND or UNAVAILABLE."""
        return await self._loader.get(internship_id)

    async def company_of(self, internship_id: str) -> str | None:
        """The ID of the company whose listing it is; None when there is no such listing."""
        try:
            return (await self.get(internship_id)).company_id
        except DomainError as error:
            if error.reason == "INTERNSHIP_NOT_FOUND":
                return None
            raise

    async def reserve_opening(self, internship_id: str, application_id: str, version: int) -> None:
        """Keeps one opening for an offer of the application, once however often it is asked.

        Raises NO_OPENING_LEFT, INTERNSHIP_NOT_FOUND, or UNAVAILABLE: then it may be kept.
        """
        await self._stub.ReserveOpening(
            internship.ReserveOpeningRequest(
                internship_id=internship_id, application_id=application_id, application_version=version
            )
        )

    async def take_opening(self, internship_id: str, application_id: str, version: int) -> None:
        """Takes one opening for the application, once however often it is asked.

        Raises NO_OPENING_LEFT, INTERNSHIP_NOT_FOUND, or UNAVAILABLE: then it may have been taken.
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
            **{intake.internship_id: _intake_from_message(intake) for intake in answer.intakes},
        }


class StudentClient:
    """The user service, as far as applying needs it."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub = UserServiceStub(channel)
        self._loader = BatchLoader(self._load_batch)

    async def get(self, student_id: str) -> StudentSnapshot:
        """The student's profile as it is now. Raises USER_NOT_FOUND or UNAVAILABLE."""
        return await self._loader.get(student_id)

    async def _load_batch(self, student_ids: Sequence[str]) -> Mapping[str, StudentSnapshot | DomainError]:
        request = user.BatchGetStudentSnapshotsRequest(student_ids=student_ids)
        answer = await self._stub.BatchGetStudentSnapshots(request)
        return {
            **{id_: not_found("USER_NOT_FOUND", "student", id_) for id_ in student_ids},
            **{id_: unavailable("The profile") for id_ in answer.unavailable_ids},
            **{snapshot.student_id: _student_from_message(snapshot) for snapshot in answer.snapshots},
        }


def _intake_from_message(found: internship.Intake) -> ListingIntake:
    days = found.respond_within_days
    return ListingIntake(
        id=found.internship_id,
        version=found.version,
        title=found.title,
        company_id=found.company.id,
        company_name=found.company.name,
        state=internship.InternshipState.Name(found.state).removeprefix("INTERNSHIP_STATE_"),
        takes_applications=found.open_for_applications,
        apply_open_time=_read_timestamp(found, "apply_open_time"),
        apply_deadline=_read_timestamp(found, "apply_deadline"),
        questions=tuple(map(_question_from_message, found.questions)),
        respond_within=timedelta(days=days) if days else None,
    )


def _question_from_message(asked: internship.Question) -> IntakeQuestion:
    kind = internship.QuestionKind.Name(asked.kind).removeprefix("QUESTION_KIND_")
    return IntakeQuestion(
        id=asked.id, kind=IntakeQuestionKind(kind), required=asked.required, choices=tuple(asked.choices)
    )


def _student_from_message(found: user.StudentSnapshot) -> StudentSnapshot:
    blocked = frozenset(found.blocked_company_ids) | frozenset(found.profile.blocked_company_ids)
    for field in _PRIVATE_PROFILE_FIELDS:
        found.profile.ClearField(field)  # type: ignore[arg-type]
    applicant = Applicant(
        name=found.name,
        email=found.email,
        headline=found.profile.headline,
        profile=found.profile.SerializeToString(),
    )
    return StudentSnapshot(id=found.student_id, applicant=applicant, blocked_company_ids=blocked)


def _read_timestamp(message: Any, field: str) -> datetime | None:
    if not message.HasField(field):
        return None
    moment: Timestamp = getattr(message, field)
    return moment.ToDatetime(tzinfo=UTC)
