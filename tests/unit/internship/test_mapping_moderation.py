"""Moderation cases and decisions as the contract's messages."""

from internshipconnect.internship.v1 import internship_pb2 as pb
from services.internship.domain.flags import moderation_flags
from services.internship.domain.model import ListingState, ModerationDecision
from services.internship.domain.moderation import CompanyStanding
from services.internship.domain.transitions import publish_listing
from services.internship.mapping.moderation import case_to_message, decision_from_number
from services.internship.service.moderate_listings import ModerationCase
from tests.unit.internship.samples import COMPANY, NOW, OWNER, listing


def test_a_decision_is_read_by_its_name() -> None:
    assert decision_from_number(pb.MODERATION_DECISION_REINSTATE) is ModerationDecision.REINSTATE


def test_a_case_shows_history_flags_and_trust() -> None:
    waiting = publish_listing(
        listing(description="Send money by Western Union."), COMPANY, OWNER, NOW, trusted=False
    )
    case = ModerationCase(
        listing=waiting,
        flags=moderation_flags(waiting.posting),
        standing=CompanyStanding(id=COMPANY.id, state="VERIFIED", version=1),
    )
    message = case_to_message(case, NOW)
    assert waiting.state is ListingState.PENDING_REVIEW
    assert message.internship.id == waiting.id
    assert message.company_is_trusted
    [entry] = message.history
    assert (getattr(entry, "from"), entry.to) == (
        pb.INTERNSHIP_STATE_DRAFT,
        pb.INTERNSHIP_STATE_PENDING_REVIEW,
    )
    assert (entry.actor, entry.actor_id) == ("COMPANY", OWNER.id)
    assert [flag.what for flag in message.flags] == [flag.what for flag in case.flags] != []
