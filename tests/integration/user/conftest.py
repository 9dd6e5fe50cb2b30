import secrets
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message

from chassis.cache import Cache
from chassis.call_context import Principal, acting_as
from chassis.clock import FixedClock
from chassis.contracts import event_type
from chassis.ids import new_id
from chassis.messaging import IncomingEvent
from chassis.page_tokens import PageTokens
from chassis.redis.client import connect_redis
from chassis.search.gazetteer import shared_gazetteer
from chassis.sharding.shards import Shards
from internshipconnect.common.v1 import common_pb2 as common
from internshipconnect.events.v1.events_pb2 import UserRegistered, UserVerified
from internshipconnect.user.v1 import profiles_pb2 as profiles_pb
from internshipconnect.user.v1 import user_pb2 as pb
from services.user.api import UserServicer
from services.user.company_api import CompanyServicer
from services.user.dns_texts import open_dns_reader
from services.user.event_handlers import USER_PROFILES_QUEUE, UserEventHandlers
from services.user.known_domains import shared_known_domains
from services.user.profile_api import ProfileServicer
from services.user.profile_mapping import ContractProfileRules
from services.user.repository import (
    COLLECTIONS,
    SCATTERS,
    CompanyRepository,
    CompanyTeamRepository,
    ProfileAccessRepository,
    ProfileRepository,
)
from services.user.service.exchange_resumes import ExchangeResumes
from services.user.service.manage_companies import ManageCompanies
from services.user.service.manage_profiles import ManageProfiles
from services.user.service.search_students import SearchStudents
from services.user.service.team_use_cases import TeamUseCases, build_team_use_cases
from services.user.service.verify_company import VerificationAdapters
from services.user.service.view_students import ViewStudents
from tests.databases import own_databases
from tests.dns_server import TextServer, serve_texts
from tests.stack import StackHandle
from tests.targeting import TargetedQueryGuard

NO_CONTEXT = cast(Any, None)


@dataclass
class UserHarness:
    """The service without its gRPC server."""

    shards: Shards
    clock: FixedClock
    api: UserServicer
    profiles: ManageProfiles
    students: SearchStudents
    companies: ManageCompanies
    profile_api: ProfileServicer
    teams: TeamUseCases
    text_server: TextServer

    def __post_init__(self) -> None:
        self.team_api = CompanyServicer(self.teams)
        [subscription] = UserEventHandlers(self.profiles, self.companies, self.teams.claims).subscriptions()
        self._handlers = subscription.handlers

    async def hear(self, event: Message, subject: str, *, event_id: str = "") -> None:
        """Handle an event as a worker does."""
        self.clock.advance(timedelta(milliseconds=1))
        incoming = IncomingEvent(
            event_id=event_id or new_id("evt"),
            type=event_type(event),
            source="auth",
            subject=subject,
            time=self.clock.now(),
            traceparent="",
            queue=USER_PROFILES_QUEUE,
        )
        await self._handlers[type(event)](event, incoming)

    async def registered(
        self,
        person: Principal,
        name: str = "Ada",
        company_name: str = "",
        version: int = 1,
        email: str = "",
    ) -> None:
        """Handle the event of a registration."""
        event = UserRegistered(
            user_id=person.id,
            email=email or f"{name.lower()}@campus.test",
            name=name,
            kind=common.AccountKind.Value(f"ACCOUNT_KIND_{person.kind}"),
            company_id=person.org,
            company_name=company_name,
            account_version=version,
        )
        await self.hear(event, person.id)

    async def verified(self, person: Principal) -> None:
        """Handle the event of a verified address."""
        await self.hear(UserVerified(user_id=person.id), person.id)

    async def get_me(self, person: Principal) -> pb.Me:
        with acting_as(person):
            return await self.api.GetMe(pb.GetMeRequest(), NO_CONTEXT)

    async def update_me(self, person: Principal, me: pb.Me, *paths: str) -> pb.Me:
        self.clock.advance(timedelta(milliseconds=1))
        request = pb.UpdateMeRequest(me=me, update_mask=FieldMask(paths=paths))
        with acting_as(person):
            return await self.api.UpdateMe(request, NO_CONTEXT)

    async def found_student(self, name: str, *, email: str = "", **student: Any) -> Principal:
        """Return a student who lets recruiters find them."""
        person = a_student()
        await self.registered(person, name, email=email)
        await self.verified(person)
        part = pb.StudentProfile(visibility=pb.VISIBILITY_RECRUITERS, **student)
        await self.update_me(person, pb.Me(student=part))
        return person

    async def trusted(self, recruiter: Principal) -> None:
        """Verify the recruiter's company, which may have no page yet."""
        with acting_as(recruiter):
            mine = await self.api.GetMyCompany(pb.GetMyCompanyRequest(), NO_CONTEXT)
            if mine.state == pb.COMPANY_STATE_VERIFIED:
                return
            named = pb.Company(name=mine.name or "Trusted")
            await self.api.UpdateMyCompany(pb.UpdateMyCompanyRequest(company=named), NO_CONTEXT)
        verify = pb.SetCompanyStateRequest(
            company_id=recruiter.org, state=pb.COMPANY_STATE_VERIFIED, moderator="maria"
        )
        with acting_as(Principal("ops", "SERVICE")):
            await self.api.SetCompanyState(verify, NO_CONTEXT)

    async def search(self, recruiter: Principal, **request: Any) -> pb.SearchStudentsResponse:
        """Return what a recruiter of a verified company finds."""
        await self.trusted(recruiter)
        with acting_as(recruiter):
            return await self.api.SearchStudents(pb.SearchStudentsRequest(**request), NO_CONTEXT)

    async def open_student(
        self, recruiter: Principal, student: Principal, *, blind: bool = False
    ) -> profiles_pb.VisibleStudent:
        """Return a student as a recruiter of a verified company sees them."""
        await self.trusted(recruiter)
        request = profiles_pb.GetStudentRequest(student_id=student.id, blind=blind)
        with acting_as(recruiter):
            return await self.profile_api.GetStudent(request, NO_CONTEXT)

    async def accesses(self, student: Principal, **request: Any) -> profiles_pb.ListProfileAccessesResponse:
        """Return a page of a student's access log."""
        with acting_as(student):
            return await self.profile_api.ListProfileAccesses(
                profiles_pb.ListProfileAccessesRequest(**request), NO_CONTEXT
            )

    async def names(self, recruiter: Principal, **request: Any) -> list[str]:
        return [card.name for card in (await self.search(recruiter, **request)).data]


def a_student() -> Principal:
    return Principal(new_id("usr"), "STUDENT")


def an_owner(company_id: str = "") -> Principal:
    return Principal(
        new_id("usr"), "COMPANY", role="OWNER", org=company_id or new_id("cmp"), email_verified=True
    )


@pytest.fixture(scope="session")
def stack() -> StackHandle:
    return StackHandle.under_test()


@pytest.fixture
def clock() -> Iterator[FixedClock]:
    yield FixedClock(datetime(2027, 1, 1, tzinfo=UTC) + timedelta(microseconds=1))


@pytest.fixture
def guard() -> TargetedQueryGuard:
    return TargetedQueryGuard(SCATTERS)


@pytest.fixture
async def shards(stack: StackHandle, clock: FixedClock, guard: TargetedQueryGuard) -> AsyncIterator[Shards]:
    async with own_databases(stack, "user", COLLECTIONS, clock=clock, listeners=[guard]) as shards:
        yield shards


@pytest.fixture
async def users(stack: StackHandle, shards: Shards, clock: FixedClock) -> AsyncIterator[UserHarness]:
    nodes = [f"{host}:{port}" for host, port in stack.redis_nodes]
    redis = connect_redis(nodes, stack.credentials.redis_password)
    cache = Cache(redis, f"test-{secrets.token_hex(4)}")
    store, pages = ProfileRepository(shards, shared_gazetteer()), CompanyRepository(shards)
    profiles, students = ManageProfiles(store, clock), SearchStudents(store, shared_gazetteer())
    companies = ManageCompanies(pages, cache, clock)
    tokens = PageTokens(bytes(32))
    views = ViewStudents(store, ProfileAccessRepository(shards, clock), companies)
    async with serve_texts() as text_server:
        records = open_dns_reader(f"127.0.0.1:{text_server.port}")
        adapters = VerificationAdapters(shared_known_domains(), records, cache)
        yield UserHarness(
            shards,
            clock,
            UserServicer(profiles, students, companies, cache, tokens, company_cache_s=60.0),
            profiles,
            students,
            companies,
            ProfileServicer(ExchangeResumes(profiles, ContractProfileRules()), views, tokens),
            build_team_use_cases(CompanyTeamRepository(shards), pages, store, adapters, clock),
            text_server,
        )
    await cache.aclose()
    await redis.aclose()
