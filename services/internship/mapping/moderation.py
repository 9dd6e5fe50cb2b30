"""Moderators' cases and decisions as the contract's messages."""

from datetime import datetime

from chassis.message_fields import enum_names
from internshipconnect.internship.v1 import internship_pb2 as pb
from services.internship.domain.model import ModerationDecision, StateChange
from services.internship.mapping.listings import LISTING_STATES, listing_to_message
from services.internship.service.moderate_listings import ModerationCase

DECISIONS = enum_names(pb.ModerationDecision.DESCRIPTOR)


def decision_from_number(number: pb.ModerationDecision.ValueType) -> ModerationDecision:
    """Return the domain's decision of a value of the contract that is not UNSPECIFIED."""
    return DECISIONS.member(ModerationDecision, number)


def case_to_message(case: ModerationCase, now: datetime) -> pb.ModerationCase:
    """Return a listing with its flags and its history."""
    return pb.ModerationCase(
        internship=listing_to_message(case.listing, now),
        flags=[
            pb.ModerationFlag(what=flag.what, field=flag.field, excerpt=flag.excerpt) for flag in case.flags
        ],
        history=[_history_entry_message(change) for change in case.listing.history],
        company_is_trusted=case.standing.is_trusted,
    )


def _history_entry_message(change: StateChange) -> pb.ModerationEntry:
    entry = pb.ModerationEntry(
        actor=change.actor,
        actor_id=change.actor_id,
        to=LISTING_STATES.number(change.target),
        reason=change.reason,
        **{"from": LISTING_STATES.number(change.source)},
    )
    entry.time.FromDatetime(change.time)
    return entry
