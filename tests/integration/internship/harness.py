"""The internship service on real shards and a real Redis Cluster, with a clock and companies of the test."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar, cast

import grpc
from google.protobuf.message import Message
from redis.asyncio.cluster import RedisCluster

from chassis.cache import Cache
from chassis.call_context import Principal, acting_as
from chassis.clock import FixedClock
from chassis.errors import not_found
from chassis.idempotency import IdempotentOperation
from chassis.ids import new_id
from chassis.messaging import IncomingEvent
from chassis.page_tokens import PageTokens
from chassis.redis.unique_readers import UniqueReaderCounter
from chassis.sharding.shards import Shards
from internshipconnect.events.v1.events_pb2 import Event
from internshipconnect.internship.v1 import internship_pb2 as pb
from services.internship.api import InternshipServicer
from services.internship.domain.model import ListingCompany, Posting
from services.internship.event_handlers import InternshipEventHandlers
from services.internship.mapping.listings import posting_to_message
from services.internship.mapping.search import suggestions_to_message
from services.internship.repository.listings import ListingRepository
from services.internship.repository.published_views import PublishedViewRepository
from services.internship.repository.search_index import MongoSearchIndex
from services.internship.search.lexicon import Lexicon
from services.internship.service.companies import CompanySnapshot
from services.internship.service.expire_listings import ExpireListings
from services.internship.service.follow_company import FollowCompany
from services.internship.service.publish_views import ViewPublisher
from services.internship.service.record_views import ViewRecorder
from services.internship.service.use_cases import InternshipUseCases
from tests.unit.internship.samples import POSTING

NOW = datetime(2027, 3, 1, 9, tzinfo=UTC)
M = TypeVar("M", bound=Message)
CONTEXT = cast(grpc.aio.ServicerContext[Any, Any], None)
SERVICE = Principal(id="svc_application", kind="SERVICE")
STUDENT = Principal(id=new_id("usr"), kind="STUDENT", email_verified=True)


class FakeCompanies:
    """Companies of the test, in place of the user service."""

    def __init__(self) -> None:
        self.pages: dict[str, CompanySnapshot] = {}

    def add(self, name: str, slot: int | None = None, *, verified: bool = True) -> Principal:
        """Return a company, and its owner."""
        company = ListingCompany(id=new_id("cmp", slot), name=name, url="https://example.com")
        self.pages[company.id] = CompanySnapshot(company, "VERIFIED" if verified else "UNVERIFIED")
        return Principal(id=new_id("usr"), kind="COMPANY", role="OWNER", org=company.id, email_verified=True)

    def rename(self, company_id: str, name: str) -> None:
        """Rename a company."""
        page = self.pages[company_id]
        self.pages[company_id] = replace(page, company=replace(page.company, name=name))

    def suspend(self, company_id: str) -> None:
        """Suspend a company, which then may not post."""
        self.pages[company_id] = replace(self.pages[company_id], state="SUSPENDED")

    async def get_company(self, company_id: str) -> CompanySnapshot:
        """Return the company; see `CompanyDirectory`."""
        if company_id not in self.pages:
            raise not_found("COMPANY_NOT_FOUND", "company", company_id)
        return self.pages[company_id]


@dataclass
class InternshipHarness:
    """Everything of the service, wired as in its start-up."""

    shards: Shards
    cache: Cache
    redis: RedisCluster
    clock: FixedClock = field(default_factory=lambda: FixedClock(NOW))
    companies: FakeCompanies = field(default_factory=FakeCompanies)

    def __post_init__(self) -> None:
        self.repository = ListingRepository(self.shards, self.clock, self.cache)
        self.search_index = MongoSearchIndex(self.shards, self.clock)
        readers = UniqueReaderCounter(self.redis, self.clock, f"test-{secrets.token_hex(4)}")
        self.views = ViewRecorder(readers, interval_s=1.0)
        self.publisher = ViewPublisher(PublishedViewRepository(self.shards, self.clock), readers)
        self.lexicon = Lexicon(self.search_index, self.clock)
        self.use_cases = InternshipUseCases.build(
            self.repository,
            self.search_index,
            companies=self.companies,
            views=self.views,
            lexicon=self.lexicon,
            clock=self.clock,
        )
        self.expiry = ExpireListings(self.repository)
        self.following = FollowCompany(self.repository, self.companies)
        self.handlers = InternshipEventHandlers(self.search_index, self.use_cases.openings, self.following)
        self.api = InternshipServicer(self.use_cases, PageTokens(b"k" * 32), self.cache, self.clock)

    async def draft(self, owner: Principal, posting: Posting | None = None, **changes: Any) -> pb.Internship:
        """Return a draft of the owner's company."""
        message = posting_to_message(replace(posting or self.posting(), **changes))
        with acting_as(owner):
            return await self.api.CreateInternship(pb.CreateInternshipRequest(internship=message), CONTEXT)

    async def published(self, owner: Principal, **changes: Any) -> pb.Internship:
        """Return an open listing of the owner's company."""
        draft = await self.draft(owner, **changes)
        with acting_as(owner):
            return await self.api.PublishInternship(
                pb.PublishInternshipRequest(internship_id=draft.id), CONTEXT
            )

    async def get(self, reader: Principal | None, listing_id: str) -> pb.Internship:
        """Return the parsed answer to a reader."""
        with acting_as(reader):
            answer = await self.api.GetInternship(pb.GetInternshipRequest(internship_id=listing_id), CONTEXT)
        return parsed(pb.Internship, answer)

    async def search(self, **query: Any) -> pb.ListInternshipsResponse:
        """Return the answer to a student's search."""
        with acting_as(STUDENT):
            return await self.api.ListInternships(pb.ListInternshipsRequest(**query), CONTEXT)

    def suggest(self, typed: str) -> list[pb.Suggestion]:
        """Return the completions of a text."""
        return list(suggestions_to_message(self.use_cases.suggestions.completions(typed, 10)).suggestions)

    async def take(self, listing_id: str, application_id: str, version: int = 3) -> pb.TakeOpeningResponse:
        """Take an opening as the application service does."""
        request = pb.TakeOpeningRequest(
            internship_id=listing_id, application_id=application_id, application_version=version
        )
        with acting_as(SERVICE):
            return await self.api.TakeOpening(request, CONTEXT)

    def posting(self) -> Posting:
        """Return a posting that can be published now."""
        return replace(POSTING, apply_deadline=self.clock.now() + timedelta(days=14))

    async def index(self) -> None:
        """Update index and vocabulary."""
        await self.deliver()
        await self.lexicon.reload()

    async def deliver(self) -> None:
        """Hand all emitted events to the handlers, as the relay and the worker do."""
        for shard in self.shards.all_shards():
            rows = await shard.db["outbox"].find({}).sort("_id", 1).to_list(None)
            for row in rows:
                await self._react(Event.FromString(row["event"]))
                await shard.db["outbox"].delete_one({"_id": row["_id"]})

    async def _react(self, event: Event) -> None:
        for subscription in self.handlers.subscriptions():
            for kind, handler in subscription.handlers.items():
                message = kind()
                if event.data.Unpack(message):
                    await handler(message, incoming(event.subject, subscription.queue, event.id))


def incoming(subject: str, queue: str, event_id: str = "") -> IncomingEvent:
    """Return the attributes of an event on a queue."""
    return IncomingEvent(
        event_id=event_id or new_id("evt"),
        type="",
        source="test",
        subject=subject,
        time=NOW,
        traceparent="",
        queue=queue,
    )


def parsed(kind: type[M], answer: Any) -> M:
    """Return an answer as a client reads it, whether it came as bytes or as a message."""
    return kind.FromString(answer) if isinstance(answer, bytes) else answer


@contextmanager
def acting_with_key(principal: Principal, key: str, *, replay: bool = False) -> Iterator[None]:
    """Run a block as a call under an idempotency key."""
    with acting_as(principal, operation=IdempotentOperation(id=key, started_at=NOW, is_replay=replay)):
        yield
