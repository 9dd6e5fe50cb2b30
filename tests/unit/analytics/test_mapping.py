"""Events as the facts that are counted, and figures as messages."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from chassis.message_fields import set_from_field
from internshipconnect.application.v1 import application_pb2 as application
from internshipconnect.events.v1 import events_pb2 as events
from internshipconnect.internship.v1 import internship_pb2 as internship
from services.analytics import mapping
from services.analytics.domain.figures import DELETED_STATE, STAGES, RecruitingFigures

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def facts(state: str, version: int = 2) -> events.ApplicationFacts:
    known = events.ApplicationFacts(
        application_id="app_1",
        internship_id="int_1",
        company_id="cmp_1",
        state=application.ApplicationState.Value(f"APPLICATION_STATE_{state}"),
        version=version,
    )
    known.submit_time.FromDatetime(NOW)
    known.update_time.FromDatetime(NOW + timedelta(minutes=2, milliseconds=400))
    return known


def moved(source: str, target: str, *, first_response: bool = False) -> events.ApplicationMoved:
    message = events.ApplicationMoved(
        application=facts(target),
        to=application.ApplicationState.Value(f"APPLICATION_STATE_{target}"),
        first_response=first_response,
    )
    set_from_field(message, application.ApplicationState.Value(f"APPLICATION_STATE_{source}"))
    return message


def test_a_submission_is_counted_in_its_state_and_version() -> None:
    message = events.ApplicationSubmitted(application=facts("SUBMITTED", 1))
    event = mapping.application_event_from_message(message, NOW)
    assert (event.application_id, event.internship_id, event.company_id) == ("app_1", "int_1", "cmp_1")
    assert (event.state, event.version, event.time) == ("SUBMITTED", 1, NOW)
    assert (event.answered_offer, event.response_s) == ("", None)


@pytest.mark.parametrize(
    ("source", "target", "answer"),
    [
        ("OFFERED", "HIRED", "HIRED"),
        ("OFFERED", "WITHDRAWN", "WITHDRAWN"),
        ("OFFERED", "CLOSED", ""),
        ("INTERVIEW", "WITHDRAWN", ""),
    ],
)
def test_only_a_students_answer_to_an_offer_counts_as_one(source: str, target: str, answer: str) -> None:
    event = mapping.application_event_from_message(moved(source, target), NOW)
    assert (event.state, event.answered_offer) == (target, answer)


def test_a_first_response_has_its_time_in_whole_seconds() -> None:
    message = moved("SUBMITTED", "IN_REVIEW", first_response=True)
    assert mapping.application_event_from_message(message, NOW).response_s == 120


def test_a_listing_is_counted_in_its_state_and_a_deleted_one_as_deleted() -> None:
    listing = internship.Internship(
        id="int_1",
        version=4,
        state=internship.INTERNSHIP_STATE_OPEN,
        company=internship.CompanyRef(id="cmp_1"),
    )
    opened = mapping.listing_event_from_message(listing, NOW)
    assert (opened.internship_id, opened.company_id, opened.state) == ("int_1", "cmp_1", "OPEN")
    message = events.InternshipDeleted(internship_id="int_1", company_id="cmp_1", version=5)
    deleted = mapping.deleted_listing_event_from_message(message, NOW)
    assert deleted == replace(opened, state=DELETED_STATE, version=5)


def test_figures_become_messages_with_every_stage_in_order() -> None:
    figures = RecruitingFigures(
        id="cmp_1",
        company_id="cmp_1",
        as_of_time=NOW,
        views=9,
        applications=3,
        total_internships=2,
        open_internships=1,
        reached={"SUBMITTED": 3, "HIRED": 1},
        current={"HIRED": 1},
        offer_answers={"HIRED": 1, "WITHDRAWN": 1},
        responses={"0": 1},
    )
    overview = mapping.overview_message(figures)
    assert (overview.company_id, overview.views, overview.applications) == ("cmp_1", 9, 3)
    assert (overview.total_internships, overview.open_internships) == (2, 1)
    assert overview.offer_acceptance_rate == 0.5
    assert overview.median_time_to_first_response_s == 1
    assert overview.as_of_time.ToDatetime(tzinfo=UTC) == NOW
    assert [stage.stage for stage in overview.stages] == list(STAGES)
    assert [(s.stage, s.reached, s.current) for s in overview.stages if s.reached] == [
        ("SUBMITTED", 3, 0),
        ("HIRED", 1, 1),
    ]
    funnel = mapping.funnel_message(replace(figures, id="int_1"))
    assert (funnel.internship_id, funnel.views, funnel.applications) == ("int_1", 9, 3)
    assert funnel.stages == overview.stages


def test_before_the_first_event_every_stage_is_empty() -> None:
    overview = mapping.empty_overview_message("cmp_1")
    assert overview.company_id == "cmp_1"
    assert [(s.reached, s.current) for s in overview.stages] == [(0, 0)] * len(STAGES)
    assert not overview.HasField("as_of_time")
