"""Seeds a population into a running stack, by the services' own code, with a history of weeks.

Listings, applications and their moves are made under idempotency keys that follow from the population's
number and from whose they are. So a run completes one that was broken off, and repeats nothing.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeVar

from argon2 import PasswordHasher
from google.protobuf.message import Message

from chassis.call_context import IdempotentOperation, Principal
from chassis.clock import truncate_to_milliseconds
from chassis.concurrency.retry import RetryPolicy, retry_call_async
from chassis.errors import UNAVAILABLE_REASONS, DomainError
from chassis.ids import creation_time_of, new_id
from devstack.seed.accounts import create_verified_account
from devstack.seed.in_process_services import NO_CONTEXT, InProcessServices, acting_at
from devstack.seed.messages import (
    answer_message,
    location_message,
    posting_message,
    profile_message,
)
from devstack.seed.population import (
    HISTORY_SPAN,
    ListingOutcome,
    Population,
    SeedApplication,
    SeedCompany,
    SeedListing,
    SeedStudent,
    spread_times,
)
from devstack.seed.wording import draft_answer
from internshipconnect.application.v1 import application_pb2 as apply
from internshipconnect.internship.v1 import internship_pb2 as listing
from internshipconnect.user.v1 import user_pb2 as user
from ops.service_names import OPERATOR_SERVICE
from services.auth.domain.accounts import AccountHolder, AccountKind, CompanyRole
from services.auth.hashing import OWASP_FLOOR

T = TypeVar("T")
R = TypeVar("R")

MAX_CONCURRENT_ITEMS: Final = 32
WAIT_TIMEOUT_S: Final = 120.0
SEED_RETRY_POLICY: Final = RetryPolicy(initial_s=1.0, max_s=1.0, jitter=0)
SEED_MODERATOR: Final = Principal(OPERATOR_SERVICE, "SERVICE")
# Too long ago for any notification: seeded history sends no mails.
HISTORY_END_AGE: Final = timedelta(days=4)
# Answers are due 30 days after applying: younger applications wait, older ones were closed without one.
PENDING_APPLICATION_AGE: Final = timedelta(days=20)
CLOSED_APPLICATION_AGE, CLOSED_APPLICATION_END_AGE = timedelta(days=50), timedelta(days=46)
COMPANY_AGE, STUDENT_AGE = HISTORY_SPAN + timedelta(days=1), HISTORY_SPAN


@dataclass(frozen=True)
class SeededCounts:
    """The numbers of seeded objects."""

    companies: int
    students: int
    listings: int
    applications: int


class Seeder:
    """Seeds step by step; `progress(what, done)` reports each finished piece."""

    def __init__(
        self,
        services: InProcessServices,
        population: Population,
        password: str,
        progress: Callable[[str, int], None],
    ) -> None:
        self._services = services
        self._population = population
        self._hash = PasswordHasher.from_parameters(OWASP_FLOOR).hash(password)
        self._progress = progress
        self._now = datetime.now(UTC)

    async def seed(self, applications: int) -> SeededCounts:
        """Seed everything, in the order of its dependencies."""
        population = self._population
        owners = await self._for_each("companies", population.companies, self._company)
        students = await self._for_each("students", population.students(), self._student)
        listings = list(population.listings())
        posted = await self._for_each(
            "listings",
            enumerate(listings),
            lambda pair: self._listing(*pair, owners[pair[1].company]),
        )
        chosen = list(population.applications(applications, listings))

        async def apply_and_answer(each: SeedApplication) -> bool:
            found, advertised = posted[each.listing], listings[each.listing]
            if found is None:
                return False
            try:
                for onlooker in each.onlookers:
                    await self._view(students[onlooker], found.id)
                owner = owners[advertised.company]
                await self._application(each, students[each.student], owner, found.id, advertised)
            except DomainError as error:
                if error.reason not in _ENDED_LISTING_REASONS:
                    raise
                return False
            return True

        submitted = await self._for_each("applications", chosen, apply_and_answer)
        await self._for_each(
            "endings",
            [
                (found, each)
                for found, each in zip(posted, listings, strict=True)
                if found is not None and each.outcome in _ENDED_OUTCOMES
            ],
            lambda pair: self._end(*pair, owners[pair[1].company]),
        )
        remaining = sum(found is not None for found in posted)
        return SeededCounts(len(owners), len(students), remaining, sum(submitted))

    async def _for_each(self, what: str, items: Iterable[T], act: Callable[[T], Awaitable[R]]) -> list[R]:
        """Call `act` on all items, some at once; return the results in the items' order."""
        source = enumerate(items)
        results: dict[int, R] = {}

        async def work() -> None:
            for index, item in source:
                results[index] = await act(item)
                self._progress(what, len(results))

        async with asyncio.TaskGroup() as group:
            for _ in range(MAX_CONCURRENT_ITEMS):
                group.create_task(work())
        return [results[index] for index in range(len(results))]

    async def _company(self, company: SeedCompany) -> Principal:
        joined = self._now - COMPANY_AGE
        holder = AccountHolder(
            company.owner, AccountKind.COMPANY, CompanyRole.OWNER, new_id("cmp", at=joined), company.name
        )
        owner = await _retry_while_unavailable(
            lambda: create_verified_account(self._services, company.email, holder, self._hash, joined)
        )
        page = user.Company(about=company.about, url=company.url, size=user.COMPANY_SIZE_51_TO_200)
        page.locations.append(location_message(company.city))
        request = user.UpdateMyCompanyRequest(company=page)
        await _call_as(self._services.users.UpdateMyCompany, request, owner, joined + timedelta(hours=1))
        verify = user.SetCompanyStateRequest(
            company_id=owner.org, state=user.COMPANY_STATE_VERIFIED, moderator=SEED_MODERATOR.id
        )
        await _call_as(
            self._services.users.SetCompanyState, verify, SEED_MODERATOR, joined + timedelta(hours=2)
        )
        return owner

    async def _student(self, student: SeedStudent) -> Principal:
        joined = self._now - STUDENT_AGE
        holder = AccountHolder(student.name, AccountKind.STUDENT)
        person = await _retry_while_unavailable(
            lambda: create_verified_account(self._services, student.email, holder, self._hash, joined)
        )
        request = user.UpdateMeRequest(me=profile_message(student))
        request.update_mask.paths.append("student")
        await _call_as(self._services.users.UpdateMe, request, person, joined + timedelta(hours=1))
        return person

    async def _listing(self, index: int, each: SeedListing, owner: Principal) -> listing.Internship | None:
        """Return the listing; None when somebody has deleted it since an earlier run."""
        written = creation_time_of(owner.org) + COMPANY_AGE - each.age
        operation = self._operation(f"listing:{index}:{owner.org}", written)
        internships = self._services.internships
        create = listing.CreateInternshipRequest(internship=posting_message(each, self._now))
        try:
            draft: listing.Internship = await _call_as(
                internships.CreateInternship, create, owner, written, operation
            )
        except DomainError as error:
            if error.reason != "INTERNSHIP_NOT_FOUND":
                raise
            return None
        if each.outcome is ListingOutcome.DRAFT or draft.state != listing.INTERNSHIP_STATE_DRAFT:
            return draft
        publish = listing.PublishInternshipRequest(internship_id=draft.id)
        published: listing.Internship = await _call_as(
            internships.PublishInternship, publish, owner, written + timedelta(hours=2), operation
        )
        return published

    def _operation(self, what: str, started: datetime) -> IdempotentOperation:
        """Return the same operation on each run; `started` has to be the same, too, as it is part of IDs."""
        return IdempotentOperation(
            f"seed:{self._population.number}:{what}", truncate_to_milliseconds(started), is_replay=True
        )

    async def _view(self, student: Principal, internship_id: str) -> None:
        read = listing.GetInternshipRequest(internship_id=internship_id)
        await _call_as(self._services.internships.GetInternship, read, student, self._now - HISTORY_END_AGE)

    async def _application(
        self,
        each: SeedApplication,
        student: Principal,
        owner: Principal,
        internship_id: str,
        posted: SeedListing,
    ) -> None:
        is_old = each.course[-1] == "CLOSED"
        end = self._now - (CLOSED_APPLICATION_END_AGE if is_old else HISTORY_END_AGE)
        times = spread_times(
            self._now - (CLOSED_APPLICATION_AGE if is_old else PENDING_APPLICATION_AGE), end, each.pauses
        )
        course = list(zip(each.course, times, strict=True))
        await self._view(student, internship_id)
        dice = random.Random(internship_id)
        request = apply.SubmitApplicationRequest(
            internship_id=internship_id,
            cover_letter=f"I would like to learn from you how to {dice.choice(posted.trade.tasks)}.",
            answers=[
                answer_message(question, draft_answer(dice, question, posted.trade))
                for question in posted.questions
            ],
        )
        first_seeded = creation_time_of(student.id) + STUDENT_AGE
        operation = self._operation(
            f"application:{internship_id}:{student.id}", first_seeded - (self._now - times[0])
        )
        application = await _call_as(
            self._services.applications.SubmitApplication, request, student, times[0], operation
        )
        for state, moment in await self._remaining_course(application.id, course, owner):
            step = replace(operation, id=f"{operation.id}:{state}")
            await self._step(application.id, state, moment, student, owner, operation=step)

    async def _remaining_course(
        self, application_id: str, course: list[tuple[str, datetime]], owner: Principal
    ) -> list[tuple[str, datetime]]:
        """Return the states that an earlier run has not reached; none when somebody moved it elsewhere."""
        if len(course) == 1:
            return []
        look = apply.GetApplicationRequest(application_id=application_id)
        # A viewer's look is no review.
        viewer = replace(owner, role=CompanyRole.VIEWER)
        seen = await _call_as(self._services.applications.GetApplication, look, viewer, self._now)
        states = [apply.ApplicationState.Value(f"APPLICATION_STATE_{state}") for state, _ in course]
        return course[states.index(seen.state) + 1 :] if seen.state in states else []

    async def _step(
        self,
        application_id: str,
        state: str,
        moment: datetime,
        student: Principal,
        owner: Principal,
        *,
        operation: IdempotentOperation,
    ) -> None:
        applications = self._services.applications
        if state == "CLOSED":
            return  # by the system, whose periodic task finds that the company did not answer in time
        if state == "HIRED":
            accept = apply.AcceptOfferRequest(application_id=application_id)
            await _call_as(applications.AcceptOffer, accept, student, moment, operation)
            return
        if state == "WITHDRAWN":
            withdraw = apply.WithdrawApplicationRequest(application_id=application_id)
            await _call_as(applications.WithdrawApplication, withdraw, student, moment, operation)
            return
        look = apply.GetApplicationRequest(application_id=application_id)
        seen = await _call_as(applications.GetApplication, look, owner, moment)
        target = apply.ApplicationState.Value(f"APPLICATION_STATE_{state}")
        if seen.state != target:
            move = apply.MoveApplicationRequest(
                application_id=application_id, to=target, expected_state=seen.state
            )
            if state == "OFFERED":  # an offer of the past must not expire before it is answered here
                move.offer_expire_time.FromDatetime(self._now + timedelta(days=7))
            await _call_as(applications.MoveApplication, move, owner, moment, operation)

    async def _end(self, posted: listing.Internship, each: SeedListing, owner: Principal) -> None:
        internships, ended = self._services.internships, self._now - HISTORY_END_AGE
        operation = self._operation(f"end:{posted.id}", ended)
        try:
            if each.outcome is ListingOutcome.CLOSED:
                close = listing.CloseInternshipRequest(internship_id=posted.id)
                await _call_as(internships.CloseInternship, close, owner, ended, operation)
            else:
                pause = listing.PauseInternshipRequest(internship_id=posted.id)
                await _call_as(internships.PauseInternship, pause, owner, ended, operation)
        except DomainError as error:
            # The hires seeded before filled it, the running services saw its deadline pass, or its owner
            # has moved it since an earlier run.
            if error.reason != "ILLEGAL_TRANSITION":
                raise


# Why an application that an earlier run did not submit is left out now.
_ENDED_LISTING_REASONS: Final = frozenset({"INTERNSHIP_NOT_FOUND", "INTERNSHIP_NOT_OPEN"})
_ENDED_OUTCOMES: Final = frozenset({ListingOutcome.PAUSED, ListingOutcome.CLOSED})


async def _call_as(
    rpc: Callable[..., Awaitable[Any]],
    request: Message,
    who: Principal,
    at: datetime,
    operation: IdempotentOperation | None = None,
) -> Any:
    """Call a servicer as a principal, at a moment; retry while a reader does not know a new object yet."""

    async def act() -> Any:
        with acting_at(at, who, operation):
            return await rpc(request, NO_CONTEXT)

    return await _retry_while_unavailable(act)


async def _retry_while_unavailable(act: Callable[[], Awaitable[R]]) -> R:
    """Retry for two minutes while a later attempt may succeed, as on a busy machine."""
    return await retry_call_async(
        act,
        SEED_RETRY_POLICY,
        on=DomainError,
        may_retry=lambda error, _failures: _may_pass(error),
        asked_pause_s=lambda error: error.retry_after_s,
        deadline=time.monotonic() + WAIT_TIMEOUT_S,
    )


def _may_pass(error: DomainError) -> bool:
    return error.retry_after_s is not None or error.reason in UNAVAILABLE_REASONS
