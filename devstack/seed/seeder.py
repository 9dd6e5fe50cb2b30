"""Seeds a population into a running stack, by the services' own code, as if it had happened over weeks."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeVar

from argon2 import PasswordHasher
from google.protobuf.message import Message

from chassis.call_context import Principal
from chassis.errors import UNAVAILABLE_REASONS, DomainError
from chassis.ids import new_id
from devstack.seed.accounts import create_verified_account
from devstack.seed.in_process_services import NO_CONTEXT, InProcessServices, acting_at
from devstack.seed.places import SeedCity
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
from devstack.seed.wording import SeedQuestion, draft_answer
from internshipconnect.application.v1 import application_pb2 as apply
from internshipconnect.common.v1 import common_pb2 as common
from internshipconnect.internship.v1 import internship_pb2 as listing
from internshipconnect.user.v1 import user_pb2 as user
from ops.service_names import OPERATOR_SERVICE
from services.auth.domain.accounts import AccountHolder, AccountKind, CompanyRole
from services.auth.hashing import OWASP_FLOOR

T = TypeVar("T")
R = TypeVar("R")

MAX_CONCURRENT_ITEMS: Final = 32
WAIT_TIMEOUT_S: Final = 120.0
RETRY_INTERVAL_S: Final = 1.0
SEED_MODERATOR: Final = Principal(OPERATOR_SERVICE, "SERVICE")
# Too long ago for any notification: history sends no mails.
HISTORY_END_AGE: Final = timedelta(days=4)
# Answers are due 30 days after applying: younger applications wait, older ones were closed without one.
PENDING_APPLICATION_AGE: Final = timedelta(days=20)
CLOSED_APPLICATION_AGE, CLOSED_APPLICATION_END_AGE = timedelta(days=50), timedelta(days=46)


@dataclass(frozen=True)
class SeededCounts:
    """How much of everything was seeded."""

    companies: int
    students: int
    listings: int
    applications: int


class Seeder:
    """Seed step by step; `progress(what, done)` reports each finished piece."""

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
        """Everything, in the order in which it depends on each other."""
        population = self._population
        owners = await self._for_each("companies", population.companies, self._company)
        students = await self._for_each("students", population.students(), self._student)
        listings = list(population.listings())
        posted = await self._for_each(
            "listings", listings, lambda each: self._listing(each, owners[each.company])
        )
        chosen = list(population.applications(applications, listings))

        async def carry(each: SeedApplication) -> None:
            owner = owners[listings[each.listing].company]
            for onlooker in each.onlookers:
                await self._view(students[onlooker], posted[each.listing].id)
            await self._application(
                each, students[each.student], owner, posted[each.listing].id, listings[each.listing]
            )

        await self._for_each("applications", chosen, carry)
        await self._for_each(
            "endings",
            [(posted[i], each) for i, each in enumerate(listings) if each.outcome in _ENDED_OUTCOMES],
            lambda pair: self._end(*pair, owners[pair[1].company]),
        )
        return SeededCounts(len(owners), len(students), len(posted), len(chosen))

    async def _for_each(self, what: str, items: Iterable[T], act: Callable[[T], Awaitable[R]]) -> list[R]:
        """Acts on all, some at once; the results in the items' order."""
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
        joined = self._now - HISTORY_SPAN - timedelta(days=1)
        holder = AccountHolder(
            company.owner, AccountKind.COMPANY, CompanyRole.OWNER, new_id("cmp", at=joined), company.name
        )
        owner = await _retry_while_unavailable(
            lambda: create_verified_account(self._services, company.email, holder, self._hash, joined)
        )
        page = user.Company(about=company.about, url=company.url, size=user.COMPANY_SIZE_51_TO_200)
        page.locations.append(_location_message(company.city))
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
        joined = self._now - HISTORY_SPAN
        holder = AccountHolder(student.name, AccountKind.STUDENT)
        person = await _retry_while_unavailable(
            lambda: create_verified_account(self._services, student.email, holder, self._hash, joined)
        )
        request = user.UpdateMeRequest(me=_profile_message(student))
        request.update_mask.paths.append("student")
        await _call_as(self._services.users.UpdateMe, request, person, joined + timedelta(hours=1))
        return person

    async def _listing(self, each: SeedListing, owner: Principal) -> listing.Internship:
        written = self._now - each.age
        internships = self._services.internships
        create = listing.CreateInternshipRequest(internship=listing_message(each, self._now))
        draft: listing.Internship = await _call_as(internships.CreateInternship, create, owner, written)
        if each.outcome is ListingOutcome.DRAFT:
            return draft
        publish = listing.PublishInternshipRequest(internship_id=draft.id)
        published: listing.Internship = await _call_as(
            internships.PublishInternship, publish, owner, written + timedelta(hours=2)
        )
        return published

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
        dice = random.Random(internship_id)  # noqa: S311 - reproducible on purpose
        request = apply.SubmitApplicationRequest(
            internship_id=internship_id,
            cover_letter=f"I would like to learn from you how to {dice.choice(posted.trade.tasks)}.",
            answers=[
                _answer_message(question, draft_answer(dice, question, posted.trade))
                for question in posted.questions
            ],
        )
        application = await _call_as(
            self._services.applications.SubmitApplication, request, student, times[0]
        )
        for state, moment in course[1:]:
            await self._step(application.id, state, moment, student, owner)

    async def _step(
        self, application_id: str, state: str, moment: datetime, student: Principal, owner: Principal
    ) -> None:
        applications = self._services.applications
        if state == "CLOSED":
            return  # by the system, whose upkeep finds that nobody answered in time
        if state == "HIRED":
            accept = apply.AcceptOfferRequest(application_id=application_id)
            await _call_as(applications.AcceptOffer, accept, student, moment)
            return
        if state == "WITHDRAWN":
            withdraw = apply.WithdrawApplicationRequest(application_id=application_id)
            await _call_as(applications.WithdrawApplication, withdraw, student, moment)
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
            await _call_as(applications.MoveApplication, move, owner, moment)

    async def _end(self, posted: listing.Internship, each: SeedListing, owner: Principal) -> None:
        internships, ended = self._services.internships, self._now - HISTORY_END_AGE
        if each.outcome is ListingOutcome.CLOSED:
            close = listing.CloseInternshipRequest(internship_id=posted.id)
            await _call_as(internships.CloseInternship, close, owner, ended)
            return
        pause = listing.PauseInternshipRequest(internship_id=posted.id)
        try:
            await _call_as(internships.PauseInternship, pause, owner, ended)
        except DomainError as error:
            # It was filled by the hires seeded before, or the running services saw its deadline pass.
            if error.reason != "ILLEGAL_TRANSITION":
                raise


_ENDED_OUTCOMES: Final = frozenset({ListingOutcome.PAUSED, ListingOutcome.CLOSED})


def listing_message(each: SeedListing, now: datetime) -> listing.Internship:
    """Return the listing as its company sends it; `now` is what its dates follow."""
    posting = listing.Internship(
        title=each.title,
        description=each.description,
        locations=[_location_message(each.city)],
        work_mode=common.WorkMode.Value(f"WORK_MODE_{each.work_mode}"),
        employment=listing.EMPLOYMENT_FULL_TIME
        if each.hours_per_week >= 35
        else listing.EMPLOYMENT_PART_TIME,
        compensation=_compensation_message(each),
        skills=[
            listing.SkillNeed(name=name, required=number == 0) for number, name in enumerate(each.skills)
        ],
        field=each.trade.field,
        duration_weeks=each.duration_weeks,
        hours_per_week=each.hours_per_week,
        openings=each.openings,
        responsibilities=each.responsibilities,
        qualifications=each.qualifications,
        questions=[_question_message(question) for question in each.questions],
        documents_required=each.documents,
        eligibility=listing.Eligibility(school_years=each.school_years, majors=each.trade.majors),
        respond_within_days=each.respond_within_days,
    )
    starts = (now + timedelta(days=each.days_until_start)).date()
    setattr(posting.start_window, "from", starts.isoformat())
    posting.start_window.to = (starts + timedelta(days=45)).isoformat()
    posting.apply_deadline.FromDatetime(now + timedelta(days=each.days_until_deadline))
    return posting


async def _call_as(rpc: Callable[..., Awaitable[Any]], request: Message, who: Principal, at: datetime) -> Any:
    """Call a servicer as somebody, at a moment; again while what was just made has not reached its reader."""

    async def act() -> Any:
        with acting_at(at, who):
            return await rpc(request, NO_CONTEXT)

    return await _retry_while_unavailable(act)


async def _retry_while_unavailable(act: Callable[[], Awaitable[R]]) -> R:
    """Repeat it for two minutes while a later try may succeed, as on a busy machine."""
    loop = asyncio.get_running_loop()
    until = loop.time() + WAIT_TIMEOUT_S
    while True:
        try:
            return await act()
        except DomainError as error:
            may_pass = error.retry_after_s is not None or error.reason in UNAVAILABLE_REASONS
            if not may_pass or loop.time() > until:
                raise
            await asyncio.sleep(RETRY_INTERVAL_S if error.retry_after_s is None else error.retry_after_s)


def _location_message(city: SeedCity) -> common.Location:
    return common.Location(city=city.name, country=city.country, lat=city.lat, lng=city.lng)


def _profile_message(student: SeedStudent) -> user.Me:
    profile = user.StudentProfile(
        headline=student.headline,
        location=_location_message(student.city),
        skills=[common.Skill(name=name, level=common.SKILL_LEVEL_INTERMEDIATE) for name in student.skills],
        education=[user.Education(institution=student.school, area=student.trade.majors[0], start="2025-10")],
        visibility=user.VISIBILITY_RECRUITERS if student.searchable else user.VISIBILITY_WHEN_I_APPLY,
    )
    return user.Me(student=profile)


def _question_message(question: SeedQuestion) -> listing.Question:
    return listing.Question(
        id=question.id,
        kind=listing.QuestionKind.Value(f"QUESTION_KIND_{question.kind}"),
        text=question.text,
        required=question.required,
        choices=question.choices,
    )


def _answer_message(question: SeedQuestion, text: str) -> apply.Answer:
    if question.choices:
        return apply.Answer(question_id=question.id, choices=[text])
    return apply.Answer(question_id=question.id, text=text)


def _compensation_message(each: SeedListing) -> listing.Compensation:
    if not each.paid:
        return listing.Compensation(paid=False, unpaid_basis="Counts as a mandatory internship")
    return listing.Compensation(
        paid=True,
        min_minor=each.monthly_pay_minor,
        max_minor=each.monthly_pay_minor * 6 // 5,
        currency=each.currency,
        unit=listing.PAY_UNIT_MONTH,
    )
