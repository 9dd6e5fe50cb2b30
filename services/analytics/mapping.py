"""Events of other services as counted facts, and figures as the contract's messages."""

from datetime import datetime
from typing import Final

from google.protobuf.message import Message

from chassis.message_fields import EnumNames, from_field, to_datetime
from internshipconnect.analytics.v1 import analytics_pb2 as pb
from internshipconnect.application.v1.application_pb2 import ApplicationState
from internshipconnect.events.v1 import events_pb2 as events
from internshipconnect.internship.v1.internship_pb2 import Internship, InternshipState
from services.analytics.domain.figures import (
    DELETED_STATE,
    OFFER_ANSWERS,
    STAGES,
    ApplicationEvent,
    FigureEvent,
    ListingEvent,
    RecruitingFigures,
    ViewsEvent,
    acceptance_rate,
    histogram_median,
)

_APPLICATION_STATES: Final = EnumNames(ApplicationState.DESCRIPTOR)
_LISTING_STATES: Final = EnumNames(InternshipState.DESCRIPTOR)


def listing_event_from_message(internship: Internship, time: datetime) -> ListingEvent:
    """Return the facts of an event about a listing that happened at `time`."""
    return ListingEvent(
        internship_id=internship.id,
        company_id=internship.company.id,
        state=_LISTING_STATES.name(internship.state),
        version=internship.version,
        time=time,
    )


def deleted_listing_event_from_message(event: events.InternshipDeleted, time: datetime) -> ListingEvent:
    """Return the facts of a draft's deletion at `time`."""
    return ListingEvent(
        internship_id=event.internship_id,
        company_id=event.company_id,
        state=DELETED_STATE,
        version=event.version,
        time=time,
    )


def application_event_from_message(
    event: events.ApplicationSubmitted | events.ApplicationMoved, time: datetime
) -> ApplicationEvent:
    """Return the facts of an event about an application that happened at `time`."""
    if isinstance(event, events.ApplicationSubmitted):
        return _application_event_from_facts(event.application, time)
    target = _APPLICATION_STATES.name(event.to)
    is_answer = from_field(event) == ApplicationState.APPLICATION_STATE_OFFERED and target in OFFER_ANSWERS
    return _application_event_from_facts(
        event.application,
        time,
        answered_offer=target if is_answer else "",
        response_s=_response_time_s(event.application) if event.first_response else None,
    )


def views_event_from_message(event: events.InternshipViewed, time: datetime) -> ViewsEvent:
    """Return the facts of an event about readers at `time`."""
    return ViewsEvent(
        internship_id=event.internship_id, company_id=event.company_id, views=event.views, time=time
    )


def figure_event_from_message(event: Message, time: datetime) -> FigureEvent:
    """Return the facts of one of the counted events, which happened at `time`."""
    if isinstance(event, events.ApplicationSubmitted | events.ApplicationMoved):
        return application_event_from_message(event, time)
    if isinstance(event, events.InternshipCreated | events.InternshipStateChanged):
        return listing_event_from_message(event.internship, time)
    if isinstance(event, events.InternshipDeleted):
        return deleted_listing_event_from_message(event, time)
    if isinstance(event, events.InternshipViewed):
        return views_event_from_message(event, time)
    raise TypeError(f"{event.DESCRIPTOR.full_name} is not counted")


def funnel_message(figures: RecruitingFigures) -> pb.Funnel:
    """Return the message with the funnel of one listing."""
    funnel = pb.Funnel(
        internship_id=figures.id,
        views=figures.views,
        applications=figures.applications,
        stages=_stage_counts(figures),
    )
    funnel.as_of_time.FromDatetime(figures.as_of_time)
    return funnel


def overview_message(figures: RecruitingFigures) -> pb.CompanyOverview:
    """Return the figures of a company over all its listings."""
    overview = pb.CompanyOverview(
        company_id=figures.id,
        open_internships=figures.open_internships,
        total_internships=figures.total_internships,
        views=figures.views,
        applications=figures.applications,
        stages=_stage_counts(figures),
        offer_acceptance_rate=acceptance_rate(figures.offer_answers),
        median_time_to_first_response_s=histogram_median(
            {int(bucket): count for bucket, count in figures.responses.items()}
        ),
    )
    overview.as_of_time.FromDatetime(figures.as_of_time)
    return overview


def empty_overview_message(company_id: str) -> pb.CompanyOverview:
    """Return the figures of a company before the first event."""
    return pb.CompanyOverview(company_id=company_id, stages=[pb.StageCount(stage=stage) for stage in STAGES])


def _application_event_from_facts(
    facts: events.ApplicationFacts,
    time: datetime,
    *,
    answered_offer: str = "",
    response_s: int | None = None,
) -> ApplicationEvent:
    return ApplicationEvent(
        application_id=facts.application_id,
        internship_id=facts.internship_id,
        company_id=facts.company_id,
        state=_APPLICATION_STATES.name(facts.state),
        version=facts.version,
        time=time,
        answered_offer=answered_offer,
        response_s=response_s,
    )


def _response_time_s(facts: events.ApplicationFacts) -> int:
    taken = to_datetime(facts.update_time) - to_datetime(facts.submit_time)
    return max(0, round(taken.total_seconds()))


def _stage_counts(figures: RecruitingFigures) -> list[pb.StageCount]:
    return [
        pb.StageCount(
            stage=stage, reached=figures.reached.get(stage, 0), current=figures.current.get(stage, 0)
        )
        for stage in STAGES
    ]
