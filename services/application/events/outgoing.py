"""What this service tells: the events of a change, made from the application before and after it."""

from dataclasses import replace
from datetime import datetime
from itertools import pairwise

from google.protobuf.message import Message

from internshipconnect.application.v1 import application_pb2 as pb
from internshipconnect.events.v1 import events_pb2 as events
from services.application.domain.model import Application, ApplicationActorKind


def submission_events(application: Application) -> tuple[Message, ...]:
    """A student applied."""
    return (events.ApplicationSubmitted(application=application_facts(application)),)


def change_events(before: Application, after: Application) -> tuple[Message, ...]:
    """What `after` tells that `before` did not: a move, an accept begun, a rejection told."""
    told: list[Message] = []
    if len(after.history) > len(before.history):
        told.append(_moved_event(before, after))
    if after.acceptance is not None and before.acceptance is None:
        told.append(events.AcceptanceStarted(application_id=after.id))
    if after.disclosed and not before.disclosed:
        told.append(events.RejectionDisclosed(application=application_facts(after)))
    return tuple(told)


def replay_events(
    application: Application,
) -> list[tuple[events.ApplicationSubmitted | events.ApplicationMoved, datetime]]:
    """The submission and the moves of an application told again, and when each happened.

    They bear versions that keep their order; the latest bears the application's own.
    """
    steps = [_application_after(application, count) for count in range(1, len(application.history) + 1)]
    submitted = events.ApplicationSubmitted(application=application_facts(steps[0]))
    moves = [(_moved_event(before, after), after.update_time) for before, after in pairwise(steps)]
    return [(submitted, steps[0].update_time), *moves]


def _application_after(application: Application, entries: int) -> Application:
    """The application as it was after so many entries of its history, as far as events tell."""
    history = application.history[:entries]
    answers = [entry.time for entry in history if entry.actor is ApplicationActorKind.COMPANY]
    is_last = entries == len(application.history)
    return replace(
        application,
        state=history[-1].target,
        history=history,
        update_time=history[-1].time,
        version=application.version if is_last else entries,
        first_response_time=answers[0] if answers else None,
        closed_reason=application.closed_reason if is_last else None,
        offer_expire_time=application.offer_expire_time if is_last else None,
    )


def application_facts(application: Application) -> events.ApplicationFacts:
    """What every event of an application tells."""
    known = events.ApplicationFacts(
        application_id=application.id,
        student_id=application.student_id,
        student_name=application.applicant.name,
        student_headline=application.applicant.headline,
        internship_id=application.internship_id,
        internship_title=application.internship_title,
        company_id=application.company_id,
        company_name=application.company_name,
        state=pb.ApplicationState.Value(f"APPLICATION_STATE_{application.state}"),
        version=application.version,
    )
    known.submit_time.FromDatetime(application.submit_time)
    known.update_time.FromDatetime(application.update_time)
    return known


def _moved_event(before: Application, after: Application) -> events.ApplicationMoved:
    moved = events.ApplicationMoved(
        application=application_facts(after),
        to=pb.ApplicationState.Value(f"APPLICATION_STATE_{after.state}"),
        actor=pb.Actor.Value(f"ACTOR_{after.last_entry.actor}"),
        actor_id=after.last_entry.actor_id,
        first_response=before.first_response_time is None and after.first_response_time is not None,
    )
    setattr(moved, "from", pb.ApplicationState.Value(f"APPLICATION_STATE_{before.state}"))
    if after.closed_reason is not None:
        moved.closed_reason = pb.ClosedReason.Value(f"CLOSED_REASON_{after.closed_reason}")
    if after.offer_expire_time is not None:
        moved.offer_expire_time.FromDatetime(after.offer_expire_time)
    return moved
