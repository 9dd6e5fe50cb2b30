"""People, listings and the service between them, for one test."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from google.protobuf.message import Message

from chassis.call_context import CallContext, Principal, acting_as
from chassis.clock import FixedClock
from chassis.contracts import event_class
from chassis.erasures import ErasePeople
from chassis.errors import DomainError
from chassis.grpc.client import Peers
from chassis.grpc.interceptors.idempotency import IdempotencyInterceptor
from chassis.idempotency import IdempotentOperation
from chassis.ids import new_id
from chassis.messaging import BatchSubscription, IncomingEvent, ReceivedEvent, Subscription
from chassis.page_tokens import PageTokens
from chassis.sharding.erased_people import ErasedPeople
from chassis.sharding.idempotency_store import MongoIdempotencyStore
from chassis.sharding.shards import Shards
from internshipconnect.application.v1 import application_pb2 as pb
from internshipconnect.events.v1 import events_pb2 as events
from internshipconnect.events.v1.events_pb2 import ApplicationPersonErased
from internshipconnect.internship.v1 import internship_pb2 as internship
from internshipconnect.user.v1 import documents_pb2 as documents
from services.application.api import ApplicationServicer
from services.application.domain.model import ApplicationPolicy
from services.application.event_handlers import ApplicationEventHandlers
from services.application.peers import DocumentClient, ListingClient, StudentClient
from services.application.repository import (
    ApplicantRepository,
    ApplicationLookRepository,
    ApplicationRepository,
    RetentionRuleRepository,
)
from services.application.retention_api import RetentionServicer
from services.application.service.accept_offers import AcceptOffers
from services.application.service.end_with_listing import EndWithListing
from services.application.service.erase_person import EraseStudent
from services.application.service.manage_retention import EndRetention
from services.application.service.settle_documents import SettleDocuments
from services.application.service.settle_due import SettleDueApplications
from services.application.service.use_cases import build_use_cases
from tests.fakes.interceptor_calls import rpc, send_call
from tests.integration.application.peers import DocumentService, InternshipService, UserService

T = TypeVar("T")

NOW = datetime(2027, 3, 1, 9, 0, tzinfo=UTC)
POLICY = ApplicationPolicy(acceptance_timeout=timedelta(seconds=0.2))
SETTLE = timedelta(seconds=90)


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
    erasing: ErasePeople
    servicer: ApplicationServicer
    holds: SettleDocuments
    internships: InternshipService
    users: UserService
    document_service: DocumentService
    retention: EndRetention
    retention_api: RetentionServicer
    company_id: str = field(default_factory=lambda: new_id("cmp"))
    delivered: set[str] = field(default_factory=set)

    @classmethod
    def on(
        cls,
        shards: Shards,
        peers: Peers,
        internships: InternshipService,
        users: UserService,
        document_service: DocumentService,
    ) -> "ApplicationHarness":
        """Return a service on these stores and peers."""
        clock = FixedClock(NOW)
        store, applicant_store = ApplicationRepository(shards), ApplicantRepository(shards)
        listings, students = ListingClient(peers.channel("internship")), StudentClient(peers.channel("user"))
        cases = build_use_cases(
            store,
            applicant_store,
            ApplicationLookRepository(shards),
            RetentionRuleRepository(shards),
            listings=listings,
            students=students,
            documents=DocumentClient(peers.channel("user")),
            tombstones=ErasedPeople(shards),
            clock=clock,
            policy=POLICY,
        )
        erasing = ErasePeople(
            ErasedPeople(shards),
            EraseStudent(store, DocumentClient(peers.channel("user")), clock, POLICY).erase,
            lambda id_: ApplicationPersonErased(user_id=id_),
            clock,
            SETTLE,
        )
        return cls(
            shards=shards,
            clock=clock,
            store=store,
            applicant_store=applicant_store,
            acceptances=cases.acceptance,
            settling=cases.settling,
            ending=cases.ending,
            handlers=ApplicationEventHandlers(cases.applicants, cases.acceptance, cases.ending, erasing),
            erasing=erasing,
            servicer=ApplicationServicer(cases, PageTokens(b"k" * 32), clock),
            holds=cases.holds,
            internships=internships,
            users=users,
            document_service=document_service,
            retention=cases.ending_retention,
            retention_api=RetentionServicer(cases.retention),
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

    def document(self, student: Principal) -> str:
        """Return a document of a student that is ready."""
        document_id = new_id("doc")
        self.document_service.owners[document_id] = student.id
        return document_id

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
        self,
        student: Principal,
        internship_id: str,
        key: str = "",
        cover_letter: str = "",
        document_ids: Sequence[str] = (),
    ) -> pb.Application:
        """Submit, with an idempotency key as the server takes it."""
        request = pb.SubmitApplicationRequest(
            internship_id=internship_id, cover_letter=cover_letter, document_ids=document_ids
        )

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

    async def document_url(
        self, who: Principal, application_id: str, document_id: str
    ) -> documents.DocumentDownload:
        request = pb.GetApplicationDocumentUrlRequest(application_id=application_id, document_id=document_id)
        return await self.call(who, self.servicer.GetApplicationDocumentUrl, request)

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
        """Return the events in the outbox about an application, oldest first; without looks at it."""
        found = await self._outbox_of(application_id)
        changes = [each for each in found if not isinstance(each, events.ApplicationAccessed)]
        return sorted(changes, key=_version)

    async def looks_of(self, application_id: str) -> list[events.ApplicationAccessed]:
        """Return the looks at an application for the student's access log."""
        found = await self._outbox_of(application_id)
        return [each for each in found if isinstance(each, events.ApplicationAccessed)]

    async def _outbox_of(self, application_id: str) -> list[Message]:
        rows = await self.shards.shard_for(application_id).db["outbox"].find().sort("_id", 1).to_list()
        found = [events.Event.FromString(row["event"]) for row in rows]
        return [_unpacked(event) for event in found if event.subject == application_id]

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
