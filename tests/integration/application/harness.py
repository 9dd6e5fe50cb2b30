"""People, listings and the service between them, for one test."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import grpc
from google.protobuf.message import Message

from chassis.call_context import CallContext, Principal, acting_as
from chassis.clock import FixedClock
from chassis.contracts import event_class
from chassis.errors import DomainError, domain_error
from chassis.grpc.client import Peers
from chassis.grpc.error_status import STATUS_DETAILS_METADATA_KEY, error_to_status, status_code_of
from chassis.grpc.interceptors.idempotency import IdempotencyInterceptor
from chassis.idempotency import IdempotentOperation
from chassis.ids import new_id
from chassis.messaging import BatchSubscription, IncomingEvent, ReceivedEvent, Subscription
from chassis.page_tokens import PageTokens
from chassis.sharding.idempotency_store import MongoIdempotencyStore
from chassis.sharding.shards import Shards
from internshipconnect.application.v1 import application_pb2 as pb
from internshipconnect.events.v1 import events_pb2 as events
from internshipconnect.internship.v1 import internship_pb2 as internship
from internshipconnect.user.v1 import user_pb2 as user
from services.application.api import ApplicationServicer
from services.application.domain.model import ApplicationPolicy
from services.application.event_handlers import ApplicationEventHandlers
from services.application.peers import ListingClient, StudentClient
from services.application.repository import ApplicantRepository, ApplicationRepository
from services.application.service.accept_offers import AcceptOffers
from services.application.service.end_with_listing import EndWithListing
from services.application.service.settle_due import SettleDueApplications
from services.application.service.use_cases import build_use_cases
from tests.fakes.interceptor_calls import rpc, send_call

T = TypeVar("T")

NOW = datetime(2027, 3, 1, 9, 0, tzinfo=UTC)
POLICY = ApplicationPolicy(acceptance_timeout=timedelta(seconds=0.2))


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
    )


class UserService:
    """Students of the test."""

    def __init__(self) -> None:
        self.blocked: tuple[str, ...] = ()

    async def BatchGetStudentSnapshots(
        self, request: user.BatchGetStudentSnapshotsRequest
    ) -> user.BatchGetStudentSnapshotsResponse:
        return user.BatchGetStudentSnapshotsResponse(snapshots=map(self._snapshot, request.student_ids))

    def _snapshot(self, student_id: str) -> user.StudentSnapshot:
        return user.StudentSnapshot(
            student_id=student_id,
            name="Ada",
            email="ada@example.org",
            profile=user.StudentProfile(headline="Maths", blocked_company_ids=self.blocked),
            blocked_company_ids=self.blocked,
        )


class _AnonymousIdentity:
    def token(self) -> str:
        return ""


@asynccontextmanager
async def peers_of(internships: InternshipService, users: UserService) -> AsyncIterator[Peers]:
    """Run both services on a real server, and yield the client with which ours calls them."""
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((_internships(internships), _users(users)))
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
        )
    }
    return grpc.method_handlers_generic_handler(name, methods)


@dataclass
class ApplicationHarness:
    """The service with its people."""

    shards: Shards
    clock: FixedClock
    store: ApplicationRepository
    applicant_store: ApplicantRepository
    acceptances: AcceptOffers
    settling: SettleDueApplications
    ending: EndWithListing
    handlers: ApplicationEventHandlers
    servicer: ApplicationServicer
    internships: InternshipService
    users: UserService
    company_id: str = field(default_factory=lambda: new_id("cmp"))
    delivered: set[str] = field(default_factory=set)

    @classmethod
    def on(
        cls, shards: Shards, peers: Peers, internships: InternshipService, users: UserService
    ) -> "ApplicationHarness":
        """Return a service on these stores and peers."""
        clock = FixedClock(NOW)
        store, applicant_store = ApplicationRepository(shards), ApplicantRepository(shards)
        listings, students = ListingClient(peers.channel("internship")), StudentClient(peers.channel("user"))
        cases = build_use_cases(
            store, applicant_store, listings=listings, students=students, clock=clock, policy=POLICY
        )
        return cls(
            shards=shards,
            clock=clock,
            store=store,
            applicant_store=applicant_store,
            acceptances=cases.acceptance,
            settling=cases.settling,
            ending=cases.ending,
            handlers=ApplicationEventHandlers(cases.applicants, cases.acceptance, cases.ending),
            servicer=ApplicationServicer(cases, PageTokens(b"k" * 32), clock),
            internships=internships,
            users=users,
        )

    def listing(self, openings: int = 1, **fields: Any) -> internship.Internship:
        """Return an open listing of the company."""
        listing = internship.Internship(
            id=new_id("int"),
            company=internship.CompanyRef(id=self.company_id, name="Acme"),
            title="Backend intern",
            openings=openings,
            state=internship.INTERNSHIP_STATE_OPEN,
            open_for_applications=True,
            version=3,
            **fields,
        )
        self.internships.listings[listing.id] = listing
        return listing

    def student(self) -> Principal:
        return Principal(id=new_id("usr"), kind="STUDENT", email_verified=True)

    def member(self, role: str = "OWNER", company_id: str = "") -> Principal:
        return Principal(id=new_id("usr"), kind="COMPANY", role=role, org=company_id or self.company_id)

    async def call(
        self,
        who: Principal,
        rpc: Callable[[Any, Any], Awaitable[T]],
        request: Message,
        operation: IdempotentOperation | None = None,
    ) -> T:
        """Call an RPC as `who`, perhaps under an idempotency key."""
        with acting_as(who, operation=operation):
            return await rpc(request, None)

    async def submit(
        self, student: Principal, internship_id: str, key: str = "", cover_letter: str = ""
    ) -> pb.Application:
        """Submit, with an idempotency key as the server takes it."""
        request = pb.SubmitApplicationRequest(internship_id=internship_id, cover_letter=cover_letter)

        async def proceed(message: Any, context: Any) -> bytes:
            return (await self.servicer.SubmitApplication(message, context)).SerializeToString()

        metadata = {"idempotency-key": key} if key else {}
        interceptor = IdempotencyInterceptor(MongoIdempotencyStore(self.shards, self.clock), self.clock)
        call = CallContext(principal=student, metadata=metadata)
        spec = rpc("application", "SubmitApplication")
        sent = send_call(interceptor, spec, proceed, call=call, request=request)
        # A task of its own, so that calls at once each have their context.
        return pb.Application.FromString(await asyncio.create_task(sent))

    async def get(self, who: Principal, application_id: str) -> pb.Application:
        request = pb.GetApplicationRequest(application_id=application_id)
        return await self.call(who, self.servicer.GetApplication, request)

    async def move(
        self,
        member: Principal,
        application_id: str,
        *states: str,
        operation: IdempotentOperation | None = None,
        **fields: Any,
    ) -> pb.Application:
        """Move through the states one after the other."""
        moved = pb.Application()
        for state in states:
            fields.setdefault("etag", "")
            request = pb.MoveApplicationRequest(
                application_id=application_id, to=state_value(state), **fields
            )
            moved = await self.call(member, self.servicer.MoveApplication, request, operation)
        return moved

    async def offered(self, student: Principal, internship_id: str) -> pb.Application:
        submitted = await self.submit(student, internship_id)
        return await self.move(self.member(), submitted.id, "SHORTLISTED", "OFFERED")

    async def accept(
        self, student: Principal, application_id: str, operation: IdempotentOperation | None = None
    ) -> pb.Application:
        request = pb.AcceptOfferRequest(application_id=application_id)
        return await self.call(student, self.servicer.AcceptOffer, request, operation)

    async def events_of(self, application_id: str) -> list[Message]:
        """Return the events in the outbox that are about an application, oldest first."""
        rows = await self.shards.shard_for(application_id).db["outbox"].find().sort("_id", 1).to_list()
        found = [events.Event.FromString(row["event"]) for row in rows]
        messages = [_unpacked(event) for event in found if event.subject == application_id]
        return sorted(messages, key=_version)

    async def deliver(self) -> None:
        """Deliver the undelivered events of the outboxes to the handlers."""
        handlers = {
            kind.DESCRIPTOR.name: subscription
            for subscription in self.handlers.subscriptions()
            for kind in subscription.work_queue.event_types
        }
        for shard in self.shards.all_shards():
            for row in await shard.db["outbox"].find().to_list():
                event = events.Event.FromString(row["event"])
                message = _unpacked(event)
                if event.id in self.delivered or message.DESCRIPTOR.name not in handlers:
                    continue
                self.delivered.add(event.id)
                await handle_event(handlers[message.DESCRIPTOR.name], message, event)


async def handle_event(subscription: Subscription, message: Message, event: events.Event) -> None:
    """Give one event to the handler of its queue."""
    incoming = to_incoming(event, subscription.queue)
    if isinstance(subscription, BatchSubscription):
        await subscription.handle([ReceivedEvent(message, incoming)])
    else:
        await subscription.handlers[type(message)](message, incoming)


def state_value(name: str) -> pb.ApplicationState.ValueType:
    """Return a state of the contract by its short name."""
    return pb.ApplicationState.Value(f"APPLICATION_STATE_{name}")


def to_incoming(event: events.Event, queue: str) -> IncomingEvent:
    """Return an event's attributes as a queue brings them."""
    return IncomingEvent(
        event_id=event.id,
        type=event.type,
        source=event.source,
        subject=event.subject,
        time=event.time.ToDatetime(tzinfo=UTC),
        traceparent=event.traceparent,
        queue=queue,
    )


def key(name: str, replay: bool = False) -> IdempotentOperation:
    """Return the operation of an idempotency key."""
    return IdempotentOperation(id=name, started_at=NOW, is_replay=replay)


async def reason_of(call: Awaitable[Any]) -> str:
    """Return the reason for which a call fails; empty when it does not."""
    try:
        await call
    except DomainError as error:
        return error.reason
    return ""


def _unpacked(event: events.Event) -> Message:
    message = event_class(event.type)()
    event.data.Unpack(message)
    return message


def _version(message: Any) -> int:
    return message.application.version if hasattr(message, "application") else 0
