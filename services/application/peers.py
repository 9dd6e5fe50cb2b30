"""What other services know: the listing from the internship service, the student from the user service."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Generic, TypeVar

import grpc
from google.protobuf.timestamp_pb2 import Timestamp

from chassis.caller import Call, begin, request_id
from chassis.errors import DomainError
from internshipconnect.internship.v1 import internship_pb2 as internship
from internshipconnect.internship.v1.internship_pb2_grpc import InternshipServiceStub
from internshipconnect.user.v1 import user_pb2 as user
from internshipconnect.user.v1.user_pb2_grpc import UserServiceStub
from services.application.domain.model import Applicant
from services.application.domain.submission import Listing, Question, QuestionKind, Student

T = TypeVar("T")

SHARED_READ_TIMEOUT_S: Final = 1.0
_PRIVATE = ("blocked_company_ids", "visibility", "preferences")


class SharedReads(Generic[T]):
    """One read of a key at a time; whoever asks while it runs shares the next one.

    So a crowd costs one read after the other, and nobody gets what was read before they asked.
    """

    def __init__(self, read: Callable[[str], Awaitable[T]]) -> None:
        self._read = read
        self._running: dict[str, asyncio.Task[T]] = {}
        self._next: dict[str, asyncio.Task[T]] = {}

    async def get(self, key: str) -> T:
        """The value; whatever the read raises is raised to all who share it."""
        task = self._next.get(key)
        if task is None:
            task = asyncio.create_task(self._after(self._running.get(key), key))
            self._next[key] = task
        return await asyncio.shield(task)

    async def _after(self, running: asyncio.Task[T] | None, key: str) -> T:
        # Shared by callers with other deadlines, so it has its own.
        begin(Call(request_id=request_id(), deadline=time.monotonic() + 2 * SHARED_READ_TIMEOUT_S))
        if running is not None:
            await asyncio.wait((running,))
        task = self._next.pop(key)
        self._running[key] = task
        try:
            return await self._read(key)
        finally:
            if self._running.get(key) is task:
                del self._running[key]


class Listings:
    """The internship service, as far as applying needs it."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub = InternshipServiceStub(channel)
        self._shared = SharedReads(self._read)

    async def get(self, internship_id: str) -> Listing:
        """The listing as it is now. Raises INTERNSHIP_NOT_FOUND or UNAVAILABLE."""
        return await self._shared.get(internship_id)

    async def company_of(self, internship_id: str) -> str | None:
        """The ID of the company whose listing it is; None when there is no such listing."""
        try:
            return (await self.get(internship_id)).company_id
        except DomainError as error:
            if error.reason == "INTERNSHIP_NOT_FOUND":
                return None
            raise

    async def take_opening(self, internship_id: str, application_id: str, version: int) -> None:
        """Takes one opening for the application, once however often it is asked.

        Raises NO_OPENING_LEFT, INTERNSHIP_NOT_FOUND, or UNAVAILABLE: then it may have been taken.
        """
        await self._stub.TakeOpening(
            internship.TakeOpeningRequest(
                internship_id=internship_id, application_id=application_id, application_version=version
            )
        )

    async def _read(self, internship_id: str) -> Listing:
        request = internship.GetInternshipRequest(internship_id=internship_id)
        return _listing(await self._stub.GetInternship(request))


class Students:
    """The user service, as far as applying needs it."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub = UserServiceStub(channel)

    async def get(self, student_id: str) -> Student:
        """The student's profile as it is now. Raises USER_NOT_FOUND or UNAVAILABLE."""
        request = user.GetStudentSnapshotRequest(student_id=student_id)
        return _student(await self._stub.GetStudentSnapshot(request))


def _listing(found: internship.Internship) -> Listing:
    days = found.respond_within_days
    return Listing(
        id=found.id,
        version=found.version,
        title=found.title,
        company_id=found.company.id,
        company_name=found.company.name,
        state=internship.InternshipState.Name(found.state).removeprefix("INTERNSHIP_STATE_"),
        takes_applications=found.open_for_applications,
        apply_open_time=_time(found, "apply_open_time"),
        apply_deadline=_time(found, "apply_deadline"),
        questions=tuple(map(_question, found.questions)),
        respond_within=timedelta(days=days) if days else None,
    )


def _question(asked: internship.Question) -> Question:
    kind = internship.QuestionKind.Name(asked.kind).removeprefix("QUESTION_KIND_")
    return Question(
        id=asked.id, kind=QuestionKind(kind), required=asked.required, choices=tuple(asked.choices)
    )


def _student(found: user.StudentSnapshot) -> Student:
    blocked = frozenset(found.blocked_company_ids) | frozenset(found.profile.blocked_company_ids)
    for field in _PRIVATE:
        found.profile.ClearField(field)  # type: ignore[arg-type]
    applicant = Applicant(
        name=found.name,
        email=found.email,
        headline=found.profile.headline,
        profile=found.profile.SerializeToString(),
    )
    return Student(id=found.student_id, applicant=applicant, blocked_company_ids=blocked)


def _time(message: Any, field: str) -> datetime | None:
    if not message.HasField(field):
        return None
    moment: Timestamp = getattr(message, field)
    return moment.ToDatetime(tzinfo=UTC)
