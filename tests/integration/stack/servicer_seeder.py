"""Seeds a population call by call, through the servicers of the services: slow, and by definition right.

The seeder of the stack writes the same in bulk, and is compared with this one.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import datetime
from typing import Any

from google.protobuf.message import Message

from chassis.call_context import Principal
from chassis.clock import truncate_to_milliseconds
from chassis.idempotency import IdempotentOperation
from chassis.ids import new_id
from devstack.seed.accounts import create_verified_account
from devstack.seed.in_process_services import NO_CONTEXT, InProcessServices, acting_at
from devstack.seed.messages import application_message, company_message, posting_message, profile_message
from devstack.seed.population import (
    ListingOutcome,
    Population,
    SeedApplication,
    SeedCompany,
    SeedListing,
    SeedStudent,
)
from devstack.seed.timeline import (
    OFFER_LIFETIME,
    PROFILE_DELAY,
    SEED_MODERATOR,
    VERIFICATION_DELAY,
    application_times,
    company_joined,
    history_end,
    listing_written,
    student_joined,
)
from internshipconnect.application.v1 import application_pb2 as apply
from internshipconnect.internship.v1 import internship_pb2 as listing
from internshipconnect.user.v1 import user_pb2 as user
from ops.cluster import Cluster
from services.auth.domain.accounts import AccountHolder, AccountKind, CompanyRole

RegistrationHasArrived = Callable[[str], Awaitable[None]]
"""Returns once the user service has stored the profile that the event of a registration makes."""


class ServicerSeeder:
    """Seeds as people would: each call as its caller, at its time."""

    def __init__(
        self,
        services: InProcessServices,
        population: Population,
        now: datetime,
        await_registration: RegistrationHasArrived,
    ) -> None:
        self._services = services
        self._population = population
        self._now = now
        self._await_registration = await_registration

    async def seed(self, applications: Sequence[SeedApplication]) -> None:
        """Seed the whole population, with these applications."""
        population = self._population
        owners = await asyncio.gather(*map(self._company, population.companies))
        students = await asyncio.gather(*map(self._student, population.students()))
        listings = list(population.listings())
        posted = [
            await self._listing(index, each, owners[each.company]) for index, each in enumerate(listings)
        ]
        for each in applications:
            advertised = listings[each.listing]
            student, owner = students[each.student], owners[advertised.company]
            await self._application(each, student, owner, posted[each.listing].id, advertised)
        for found, ended in zip(posted, listings, strict=True):
            await self._end(found, ended, owners[ended.company])

    async def _company(self, company: SeedCompany) -> Principal:
        joined = company_joined(self._now)
        holder = AccountHolder(
            company.owner, AccountKind.COMPANY, CompanyRole.OWNER, new_id("cmp", at=joined), company.name
        )
        owner = await create_verified_account(self._services, company.email, holder, "hash", joined)
        await self._await_registration(owner.id)
        request = user.UpdateMyCompanyRequest(company=company_message(company))
        users = self._services.users
        await _call_as(users.UpdateMyCompany, request, owner, joined + PROFILE_DELAY)
        verify = user.SetCompanyStateRequest(
            company_id=owner.org, state=user.COMPANY_STATE_VERIFIED, moderator=SEED_MODERATOR.id
        )
        await _call_as(users.SetCompanyState, verify, SEED_MODERATOR, joined + VERIFICATION_DELAY)
        return owner

    async def _student(self, student: SeedStudent) -> Principal:
        joined = student_joined(self._now)
        holder = AccountHolder(student.name, AccountKind.STUDENT)
        person = await create_verified_account(self._services, student.email, holder, "hash", joined)
        await self._await_registration(person.id)
        request = user.UpdateMeRequest(me=profile_message(student))
        request.update_mask.paths.append("student")
        await _call_as(self._services.users.UpdateMe, request, person, joined + PROFILE_DELAY)
        return person

    async def _listing(self, index: int, each: SeedListing, owner: Principal) -> listing.Internship:
        written = listing_written(each, self._now)
        operation = self._operation(f"listing:{index}:{owner.org}", written)
        internships = self._services.internships
        create = listing.CreateInternshipRequest(internship=posting_message(each, self._now))
        draft: listing.Internship = await _call_as(
            internships.CreateInternship, create, owner, written, operation
        )
        if each.outcome is ListingOutcome.DRAFT:
            return draft
        publish = listing.PublishInternshipRequest(internship_id=draft.id)
        published: listing.Internship = await _call_as(
            internships.PublishInternship, publish, owner, written + VERIFICATION_DELAY, operation
        )
        return published

    async def _application(
        self,
        each: SeedApplication,
        student: Principal,
        owner: Principal,
        internship_id: str,
        posted: SeedListing,
    ) -> None:
        course = list(zip(each.course, application_times(each, self._now), strict=True))
        request = application_message(each, posted)
        request.internship_id = internship_id
        operation = self._operation(f"application:{internship_id}:{student.id}", course[0][1])
        submit = self._services.applications.SubmitApplication
        application = await _call_as(submit, request, student, course[0][1], operation)
        for state, moment in course[1:]:
            step = replace(operation, id=f"{operation.id}:{state}")
            await self._step(application.id, state, moment, student, owner, operation=step)

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
            if state == "OFFERED":
                move.offer_expire_time.FromDatetime(self._now + OFFER_LIFETIME)
            await _call_as(applications.MoveApplication, move, owner, moment, operation)

    async def _end(self, posted: listing.Internship, each: SeedListing, owner: Principal) -> None:
        internships, ended = self._services.internships, history_end(self._now)
        operation = self._operation(f"end:{posted.id}", ended)
        if each.outcome is ListingOutcome.CLOSED:
            close = listing.CloseInternshipRequest(internship_id=posted.id)
            await _call_as(internships.CloseInternship, close, owner, ended, operation)
        elif each.outcome is ListingOutcome.PAUSED:
            pause = listing.PauseInternshipRequest(internship_id=posted.id)
            await _call_as(internships.PauseInternship, pause, owner, ended, operation)

    def _operation(self, what: str, started: datetime) -> IdempotentOperation:
        return IdempotentOperation(
            f"seed:{self._population.number}:{what}", truncate_to_milliseconds(started), is_replay=True
        )


async def seed_by_servicers(
    cluster: Cluster,
    population: Population,
    applications: Sequence[SeedApplication],
    now: datetime,
    await_registration: RegistrationHasArrived,
) -> None:
    """Seed a running stack call by call."""
    async with AsyncExitStack() as closing:
        services = await InProcessServices.open(cluster, closing)
        await ServicerSeeder(services, population, now, await_registration).seed(applications)


async def _call_as(
    rpc: Callable[..., Awaitable[Any]],
    request: Message,
    who: Principal,
    at: datetime,
    operation: IdempotentOperation | None = None,
) -> Any:
    with acting_at(at, who, operation):
        return await rpc(request, NO_CONTEXT)
