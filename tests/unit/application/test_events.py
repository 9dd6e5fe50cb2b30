"""What the service tells of a change, and which events reach it."""

from itertools import pairwise
from typing import Any

from internshipconnect.application.v1 import application_pb2 as pb
from internshipconnect.events.v1 import events_pb2 as events
from services.application.domain import moves
from services.application.domain.model import ApplicationState
from services.application.event_handlers import QUEUES, ApplicationEventHandlers, applicant_row_from_facts
from services.application.events.outgoing import (
    application_facts,
    change_events,
    replay_events,
    submission_events,
)
from tests.unit.application.samples import NOW, POLICY, RECRUITER, STUDENT, in_state, moved


def published_events(before: ApplicationState, after: ApplicationState) -> list[str]:
    application = in_state(before)
    return [type(event).__name__ for event in change_events(application, moved(application, after))]


def test_each_declared_queue_has_its_subscription() -> None:
    subscriptions = ApplicationEventHandlers(*([None] * 3)).subscriptions()  # type: ignore[arg-type]
    assert {subscription.work_queue for subscription in subscriptions} == set(QUEUES)


def test_a_rejection_is_disclosed_to_the_student_by_an_event_of_its_own_later() -> None:
    assert published_events(ApplicationState.INTERVIEW, ApplicationState.REJECTED) == ["ApplicationMoved"]
    assert published_events(ApplicationState.OFFERED, ApplicationState.REJECTED) == [
        "ApplicationMoved",
        "RejectionDisclosed",
    ]


def test_the_start_of_an_acceptance_is_published_and_its_undoing_is_not() -> None:
    offered = in_state(ApplicationState.OFFERED)
    accepting = moves.start_acceptance(offered, STUDENT, NOW, POLICY)
    assert [type(event) for event in change_events(offered, accepting)] == [events.AcceptanceStarted]
    assert change_events(accepting, moves.undo_acceptance(accepting, NOW, POLICY)) == ()


def test_a_move_carries_from_to_actor_and_the_first_response() -> None:
    submitted = in_state(ApplicationState.SUBMITTED)
    [event] = change_events(submitted, moved(submitted, ApplicationState.SHORTLISTED))
    assert isinstance(event, events.ApplicationMoved)
    assert getattr(event, "from") == pb.APPLICATION_STATE_SUBMITTED
    assert event.to == pb.APPLICATION_STATE_SHORTLISTED
    assert (event.actor, event.actor_id) == (pb.ACTOR_COMPANY, RECRUITER.id)
    assert event.first_response
    assert event.application.version == 2


def test_an_offer_carries_its_expiry() -> None:
    ready = in_state(ApplicationState.SHORTLISTED)
    [event] = change_events(ready, moved(ready, ApplicationState.OFFERED))
    assert isinstance(event, events.ApplicationMoved)
    assert event.offer_expire_time.ToDatetime(tzinfo=NOW.tzinfo) == NOW + POLICY.offer_lifetime


def test_the_facts_of_an_event_make_the_companys_row() -> None:
    application = in_state(ApplicationState.INTERVIEW)
    row = applicant_row_from_facts(application_facts(application))
    assert (row.id, row.state, row.version) == (
        application.id,
        ApplicationState.INTERVIEW,
        application.version,
    )
    assert (row.name, row.headline, row.submit_time) == ("Ada", "Maths", NOW)


def test_the_events_of_an_application_can_be_rebuilt_from_its_history() -> None:
    states = [ApplicationState.SHORTLISTED, ApplicationState.OFFERED, ApplicationState.REJECTED]
    steps = [in_state(ApplicationState.SUBMITTED)]
    for state in states:
        steps.append(moved(steps[-1], state))
    told_again: list[Any] = [event for event, _ in replay_events(steps[-1])]
    first, *moves_told = told_again
    assert first == submission_events(steps[0])[0]
    then: list[Any] = [change_events(*pair)[0] for pair in pairwise(steps)]
    assert [(event.to, event.first_response, event.actor_id) for event in moves_told] == [
        (event.to, event.first_response, event.actor_id) for event in then
    ]
    assert [event.application.version for event in moves_told] == [2, 3, steps[-1].version]
    assert [time for _, time in replay_events(steps[-1])] == [entry.time for entry in steps[-1].history]
