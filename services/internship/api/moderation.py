"""What moderators see and decide, as the contract's messages."""

from datetime import datetime

from internshipconnect.internship.v1 import internship_pb2 as pb
from services.internship.domain.model import Decision, StateChange
from services.internship.service.moderation import Case
from services.internship.wire import STATES, to_message

_PREFIX = "MODERATION_DECISION_"


def decision_of(number: pb.ModerationDecision.ValueType) -> Decision:
    """The domain's decision of a value of the contract that is not UNSPECIFIED."""
    return Decision(pb.ModerationDecision.Name(number).removeprefix(_PREFIX))


def case_message(case: Case, now: datetime) -> pb.ModerationCase:
    """A listing with its flags and its history."""
    return pb.ModerationCase(
        internship=to_message(case.listing, now),
        flags=[
            pb.ModerationFlag(what=flag.what, field=flag.field, excerpt=flag.excerpt) for flag in case.flags
        ],
        history=[_entry(change) for change in case.listing.history],
        company_is_trusted=case.standing.trusted,
    )


def _entry(change: StateChange) -> pb.ModerationEntry:
    entry = pb.ModerationEntry(
        actor=change.actor,
        actor_id=change.actor_id,
        to=STATES[change.target],
        reason=change.reason,
        **{"from": STATES[change.source]},
    )
    entry.time.FromDatetime(change.time)
    return entry
