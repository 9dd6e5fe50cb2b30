"""From events on the broker to the figures of a company, on real servers."""

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
from google.protobuf.message import Message

from chassis.call_context import Principal, acting_as
from chassis.errors import DomainError
from chassis.ids import new_id, slot_of
from chassis.messaging import IncomingEvent, ReceivedEvent
from chassis.messaging.message_bodies import OutgoingEvent
from chassis.messaging.publisher import EventPublisher
from chassis.sharding import outbox
from chassis.sharding.shards import Shards
from internshipconnect.analytics.v1 import analytics_pb2 as pb
from internshipconnect.application.v1.application_pb2 import ApplicationState
from internshipconnect.events.v1 import events_pb2 as events
from internshipconnect.internship.v1.internship_pb2 import CompanyRef, Internship, InternshipState
from services.analytics.api import AnalyticsServicer
from services.analytics.domain.figures import STAGES
from services.analytics.event_handlers import AnalyticsEventHandlers
from services.analytics.repository import FigureRepository
from services.analytics.service.read_figures import ReadFigures
from tests.integration.scratch_broker import running_worker, wait_until_condition

START = datetime(2026, 3, 3, tzinfo=UTC)
NO_CONTEXT = cast("Any", None)


@dataclass(frozen=True)
class TimedEvent:
    """An event and when it happened."""

    message: Message
    subject: str
    time: datetime


class CompanyScenario:
    """A company with listings, and the events of their lives."""

    def __init__(self) -> None:
        self.id = new_id("cmp")
        self.events: list[TimedEvent] = []

    def listing(self, *states: str) -> str:
        """Create a listing as a draft, move it through these states, and return its ID."""
        id_ = new_id("int", slot_of(self.id))
        for version, state in enumerate(("DRAFT", *states), start=1):
            internship = Internship(
                id=id_,
                company=CompanyRef(id=self.id),
                state=InternshipState.Value(f"INTERNSHIP_STATE_{state}"),
                version=version,
            )
            changed = events.InternshipStateChanged(internship=internship, to=internship.state)
            self._happens(changed if version > 1 else events.InternshipCreated(internship=internship), id_)
        return id_

    def views(self, listing: str, count: int) -> None:
        viewed = events.InternshipViewed(internship_id=listing, company_id=self.id, views=count)
        self._happens(viewed, listing)

    def application(self, listing: str, *states: str, answered_after: timedelta | None = None) -> None:
        """Submit an application and move it through these states."""
        id_, before = new_id("app"), "SUBMITTED"
        for version, state in enumerate(("SUBMITTED", *states), start=1):
            facts = events.ApplicationFacts(
                application_id=id_,
                internship_id=listing,
                company_id=self.id,
                state=ApplicationState.Value(f"APPLICATION_STATE_{state}"),
                version=version,
            )
            facts.submit_time.FromDatetime(START)
            facts.update_time.FromDatetime(START + (answered_after or timedelta()))
            moved = events.ApplicationMoved(
                application=facts,
                to=facts.state,
                first_response=version == 2 and answered_after is not None,
                **{"from": ApplicationState.Value(f"APPLICATION_STATE_{before}")},  # type: ignore[arg-type]
            )
            self._happens(moved if version > 1 else events.ApplicationSubmitted(application=facts), id_)
            before = state

    def _happens(self, message: Message, subject: str) -> None:
        self.events.append(TimedEvent(message, subject, START + timedelta(minutes=len(self.events))))


@pytest.fixture
def api(shards: Shards) -> AnalyticsServicer:
    return AnalyticsServicer(ReadFigures(FigureRepository(shards)))


def member_of(company_id: str) -> Any:
    return acting_as(Principal(id=new_id("usr"), kind="COMPANY", role="VIEWER", org=company_id))


def stages(answer: pb.Funnel | pb.CompanyOverview) -> dict[str, tuple[int, int]]:
    return {
        each.stage: (each.reached, each.current) for each in answer.stages if each.reached or each.current
    }


async def counted(
    amqp_url: str,
    shards: Shards,
    published: list[TimedEvent],
    *,
    times: int,
    done: Callable[[], Awaitable[bool]],
) -> None:
    """Deliver every event `times` times, in a random order, and let a worker count it."""
    batch = [_outgoing(each) for each in published] * times
    random.Random(7).shuffle(batch)
    publisher = EventPublisher(amqp_url)
    async with running_worker(
        amqp_url, shards, AnalyticsEventHandlers(FigureRepository(shards)).subscriptions()
    ):
        await publisher.publish(batch)
        await wait_until_condition(done, within_s=60.0)
    await publisher.close()


def _outgoing(published: TimedEvent) -> OutgoingEvent:
    event = outbox.build_envelope(
        published.message, subject=published.subject, source="test", time=published.time
    )
    return OutgoingEvent(event.id, event.type, event.SerializeToString())


async def _handled(shards: Shards) -> int:
    return sum([await shard.db["inbox"].count_documents({}) for shard in shards.all_shards()])


async def test_figures_are_right_though_events_come_three_times_and_in_any_order(
    amqp_url: str, shards: Shards, api: AnalyticsServicer
) -> None:
    acme, other = CompanyScenario(), CompanyScenario()
    filled, paused = acme.listing("OPEN", "FILLED"), acme.listing("OPEN", "PAUSED")
    opened = acme.listing("OPEN")
    acme.views(filled, 40)
    acme.views(filled, 2)
    acme.views(paused, 5)
    hour = timedelta(hours=1)
    acme.application(filled, "IN_REVIEW", "INTERVIEW", "OFFERED", "HIRED", answered_after=hour)
    acme.application(filled, "IN_REVIEW", "INTERVIEW", "SHORTLISTED", "INTERVIEW", answered_after=10 * hour)
    acme.application(filled)
    acme.application(paused, "REJECTED", answered_after=2 * hour)
    acme.application(paused, "IN_REVIEW", "SHORTLISTED", "OFFERED", "WITHDRAWN", answered_after=3 * hour)
    acme.application(paused, "IN_REVIEW", "SHORTLISTED", "OFFERED", "CLOSED", answered_after=4 * hour)
    other.application(other.listing("OPEN"), "IN_REVIEW")
    published = [*acme.events, *other.events]

    async def all_handled() -> bool:
        return await _handled(shards) >= len(published)

    await counted(amqp_url, shards, published, times=3, done=all_handled)

    with member_of(acme.id):
        funnel = await api.GetFunnel(pb.GetFunnelRequest(internship_id=filled), NO_CONTEXT)
        untouched = await api.GetFunnel(pb.GetFunnelRequest(internship_id=opened), NO_CONTEXT)
        overview = await api.GetCompanyOverview(pb.GetCompanyOverviewRequest(), NO_CONTEXT)
    assert (funnel.views, funnel.applications) == (42, 3)
    assert stages(funnel) == {
        "SUBMITTED": (3, 1),
        "IN_REVIEW": (2, 0),
        "SHORTLISTED": (1, 0),
        "INTERVIEW": (2, 1),
        "OFFERED": (1, 0),
        "HIRED": (1, 1),
    }
    assert [each.stage for each in funnel.stages] == list(STAGES)
    assert (untouched.applications, stages(untouched)) == (0, {})
    assert (overview.total_internships, overview.open_internships) == (3, 1)
    assert (overview.views, overview.applications) == (47, 6)
    assert overview.offer_acceptance_rate == pytest.approx(0.5)
    assert overview.median_time_to_first_response_s == pytest.approx(3 * 3600, rel=0.02)
    assert overview.as_of_time.ToDatetime(tzinfo=UTC) == acme.events[-1].time
    assert sum(current for _, current in stages(overview).values()) == overview.applications


async def test_a_listing_of_another_company_or_an_unknown_one_is_not_found(
    shards: Shards, api: AnalyticsServicer
) -> None:
    acme = CompanyScenario()
    listing = acme.listing("OPEN")
    reactions = AnalyticsEventHandlers(FigureRepository(shards))
    created = acme.events[0]
    event = outbox.build_envelope(created.message, subject=listing, source="test", time=created.time)
    (subscription,) = reactions.subscriptions()
    incoming = IncomingEvent(event.id, event.type, "test", listing, created.time, "", subscription.queue)
    await subscription.handle([ReceivedEvent(created.message, incoming)])
    with member_of(acme.id):
        await api.GetFunnel(pb.GetFunnelRequest(internship_id=listing), NO_CONTEXT)
    for company, asked in ((new_id("cmp"), listing), (acme.id, new_id("int"))):
        with member_of(company), pytest.raises(DomainError) as refusal:
            await api.GetFunnel(pb.GetFunnelRequest(internship_id=asked), NO_CONTEXT)
        assert refusal.value.reason == "INTERNSHIP_NOT_FOUND"


async def test_a_company_without_events_has_zeros_and_no_rates(api: AnalyticsServicer) -> None:
    company = new_id("cmp")
    with member_of(company):
        overview = await api.GetCompanyOverview(pb.GetCompanyOverviewRequest(), NO_CONTEXT)
    assert overview.company_id == company
    assert [each.stage for each in overview.stages] == list(STAGES)
    assert stages(overview) == {}
    assert not overview.HasField("offer_acceptance_rate")
    assert not overview.HasField("median_time_to_first_response_s")
    assert not overview.HasField("as_of_time")


async def test_three_hundred_applications_to_one_listing_at_once_are_all_counted(
    amqp_url: str, shards: Shards, api: AnalyticsServicer
) -> None:
    acme = CompanyScenario()
    listing = acme.listing("OPEN")
    for _ in range(300):
        acme.application(listing)

    async def all_handled() -> bool:
        return await _handled(shards) >= len(acme.events)

    await counted(amqp_url, shards, acme.events, times=1, done=all_handled)
    with member_of(acme.id):
        funnel = await api.GetFunnel(pb.GetFunnelRequest(internship_id=listing), NO_CONTEXT)
    assert stages(funnel) == {"SUBMITTED": (300, 300)}
