"""What this service tells: the events of a change, made from the application before and after it."""

from google.protobuf.message import Message

from internshipconnect.application.v1 import application_pb2 as pb
from internshipconnect.events.v1 import events_pb2 as events
from services.application.domain.model import Application


def submission_events(application: Application) -> tuple[Message, ...]:
    """A student applied."""
    return (events.ApplicationSubmitted(application=facts(application)),)


def change_events(before: Application, after: Application) -> tuple[Message, ...]:
    """What `after` tells that `before` did not: a move, an accept begun, a rejection told."""
    told: list[Message] = []
    if len(after.history) > len(before.history):
        told.append(_moved(before, after))
    if after.acceptance is not None and before.acceptance is None:
        told.append(events.AcceptanceStarted(application_id=after.id))
    if after.disclosed and not before.disclosed:
        told.append(events.RejectionDisclosed(application=facts(after)))
    return tuple(told)


def facts(application: Application) -> events.ApplicationFacts:
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


def _moved(before: Application, after: Application) -> events.ApplicationMoved:
    moved = events.ApplicationMoved(
        application=facts(after),
        to=pb.ApplicationState.Value(f"APPLICATION_STATE_{after.state}"),
        actor=pb.Actor.Value(f"ACTOR_{after.last.actor}"),
        actor_id=after.last.actor_id,
        first_response=before.first_response_time is None and after.first_response_time is not None,
    )
    setattr(moved, "from", pb.ApplicationState.Value(f"APPLICATION_STATE_{before.state}"))
    if after.closed_reason is not None:
        moved.closed_reason = pb.ClosedReason.Value(f"CLOSED_REASON_{after.closed_reason}")
    if after.offer_expire_time is not None:
        moved.offer_expire_time.FromDatetime(after.offer_expire_time)
    return moved
