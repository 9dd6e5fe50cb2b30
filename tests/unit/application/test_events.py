"""What each change of an application is announced as, and which events reach the service."""

from itertools import pairwise
from typing import Any

from chassis.message_fields import from_field
from internshipconnect.application.v1 import application_pb2 as pb
from internshipconnect.events.v1 import events_pb2 as events
from services.application.domain import moves
from services.application.domain.applicants import applicant_row
from services.application.domain.events import (
    AcceptanceWasStarted,
    ApplicationWasSubmitted,
    change_events,
    replay_events,
    with_events,
)
from services.application.domain.model import ApplicationState
from services.application.event_handlers import QUEUES, ApplicationEventHandlers
from services.application.mapping import applicant_row_from_facts, event_message
from tests.unit.application.samples import NOW, POLICY, RECRUITER, STUDENT, in_state, moved


def published_events(before: ApplicationState, after: ApplicationState) -> list[str]:
    application = in_state(before)
    happened = change_events(application, moved(application, after))
    return [type(event_message(event)).__name__ for event in happened]


def test_each_declared_queue_has_its_subscription() -> None:
    subscriptions = ApplicationEventHandlers(*([None] * 4)).subscriptions()  # type: ignore[arg-type]
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
    [event] = change_events(offered, accepting)
    assert event == AcceptanceWasStarted(offered.id)
    assert event_message(event) == events.AcceptanceStarted(application_id=offered.id)
    assert change_events(accepting, moves.undo_acceptance(accepting, NOW, POLICY)) == ()


def test_a_move_carries_from_to_actor_and_the_first_response() -> None:
    submitted = in_state(ApplicationState.SUBMITTED)
    [happened] = change_events(submitted, moved(submitted, ApplicationState.SHORTLISTED))
    event = event_message(happened)
    assert isinstance(event, events.ApplicationMoved)
    assert from_field(event) == pb.APPLICATION_STATE_SUBMITTED
    assert event.to == pb.APPLICATION_STATE_SHORTLISTED
    assert (event.actor, event.actor_id) == (pb.ACTOR_COMPANY, RECRUITER.id)
    assert event.first_response
    assert event.application.version == 2


def test_an_offer_carries_its_expiry() -> None:
    ready = in_state(ApplicationState.SHORTLISTED)
    [happened] = change_events(ready, moved(ready, ApplicationState.OFFERED))
    event = event_message(happened)
    assert isinstance(event, events.ApplicationMoved)
    assert event.offer_expire_time.ToDatetime(tzinfo=NOW.tzinfo) == NOW + POLICY.offer_lifetime


def test_the_facts_of_an_event_make_the_companys_row() -> None:
    application = in_state(ApplicationState.INTERVIEW)
    event = event_message(ApplicationWasSubmitted(application))
    assert isinstance(event, events.ApplicationSubmitted)
    row = applicant_row_from_facts(event.application)
    assert row == applicant_row(application)
    assert (row.id, row.state, row.version) == (
        application.id,
        ApplicationState.INTERVIEW,
        application.version,
    )
    assert (row.name, row.headline, row.submit_time) == ("Ada", "Maths", NOW)


def test_a_step_that_changes_nothing_is_no_change_and_has_no_events() -> None:
    application = in_state(ApplicationState.SUBMITTED)
    assert with_events(lambda _: None)(application) is None
    after = moved(application, ApplicationState.IN_REVIEW)
    change = with_events(lambda _: after)(application)
    assert change is not None
    assert (change.aggregate, change.events) == (after, change_events(application, after))


def test_the_events_of_an_application_can_be_rebuilt_from_its_history() -> None:
    states = [ApplicationState.SHORTLISTED, ApplicationState.OFFERED, ApplicationState.REJECTED]
    steps = [in_state(ApplicationState.SUBMITTED)]
    for state in states:
        steps.append(moved(steps[-1], state))
    replayed: list[Any] = [event_message(event) for event, _ in replay_events(steps[-1])]
    first, *replayed_moves = replayed
    assert first == event_message(ApplicationWasSubmitted(steps[0]))
    original: list[Any] = [event_message(change_events(*pair)[0]) for pair in pairwise(steps)]
    assert [(event.to, event.first_response, event.actor_id) for event in replayed_moves] == [
        (event.to, event.first_response, event.actor_id) for event in original
    ]
    assert [event.application.version for event in replayed_moves] == [2, 3, steps[-1].version]
    assert [time for _, time in replay_events(steps[-1])] == [entry.time for entry in steps[-1].history]
