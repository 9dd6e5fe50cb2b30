"""Companies' teams and verification as the contract's messages, and their events as the contract's."""

from datetime import datetime
from typing import Final

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from chassis.message_fields import EnumNames
from internshipconnect.common.v1 import common_pb2 as common
from internshipconnect.events.v1 import events_pb2 as events
from internshipconnect.user.v1 import companies_pb2 as pb
from internshipconnect.user.v1.user_pb2 import CompanyState as CompanyStateEnum
from services.user.domain.company import Company, VerificationMethod
from services.user.domain.invitations import Invitation
from services.user.domain.roles import MemberRole
from services.user.domain.team import InvitationOffer, MemberCard
from services.user.domain.team_events import (
    InvitationWasSent,
    MembershipWasChanged,
    OwnershipWasTransferred,
    TeamEvent,
)
from services.user.domain.verification import dns_name, dns_text

_ROLES: Final = EnumNames(common.CompanyRole.DESCRIPTOR)
_STEPS: Final = EnumNames(pb.MembershipChange.DESCRIPTOR)
_INVITATION_STATES: Final = EnumNames(pb.InvitationState.DESCRIPTOR)
_METHODS: Final = EnumNames(pb.VerificationMethod.DESCRIPTOR)
_COMPANY_STATES: Final = EnumNames(CompanyStateEnum.DESCRIPTOR)


def role_from_number(number: int) -> MemberRole:
    """Return the role of a value of the contract that is not UNSPECIFIED."""
    return _ROLES.member(MemberRole, number)


def method_from_number(number: int) -> VerificationMethod:
    """Return the way of a proof, of a value of the contract that is not UNSPECIFIED."""
    return _METHODS.member(VerificationMethod, number)


def member_message(card: MemberCard) -> pb.CompanyMember:
    """Return a member as colleagues see them."""
    return pb.CompanyMember(
        user_id=card.member.user_id,
        name=card.name,
        email=card.email,
        role=_ROLES.number(card.member.role),
        join_time=_stamp(card.member.join_time),
    )


def invitation_message(invitation: Invitation, now: datetime) -> pb.Invitation:
    """Return an invitation as the company sees it."""
    return pb.Invitation(
        id=invitation.id,
        email=invitation.email,
        role=_ROLES.number(invitation.role),
        state=_INVITATION_STATES.number(invitation.state_at(now)),
        inviter_id=invitation.inviter_id,
        create_time=_stamp(invitation.create_time),
        expire_time=_stamp(invitation.expire_time),
        send_count=len(invitation.send_times),
        close_time=_stamp(invitation.close_time),
    )


def invitation_offer_message(offer: InvitationOffer, now: datetime) -> pb.InvitationOffer:
    """Return an invitation as the invited person sees it."""
    invitation = offer.invitation
    return pb.InvitationOffer(
        company_id=offer.company.id,
        company_name=offer.company.name,
        company_state=_COMPANY_STATES.number(offer.company.state),
        inviter_name=offer.inviter_name,
        email=invitation.email,
        role=_ROLES.number(invitation.role),
        state=_INVITATION_STATES.number(invitation.state_at(now)),
        expire_time=_stamp(invitation.expire_time),
    )


def verification_message(company: Company) -> pb.CompanyVerification:
    """Return the state of a company's verification, and what its owner has to do."""
    message = pb.CompanyVerification(
        state=_COMPANY_STATES.number(company.state), domain=company.verified_domain
    )
    verification = company.verification
    if verification is None:
        return message
    message.domain = company.verified_domain or verification.domain
    message.method = _METHODS.number(verification.method)
    message.problem = verification.problem
    message.expire_time.FromDatetime(verification.expire_time)
    if verification.check_time is not None:
        message.check_time.FromDatetime(verification.check_time)
    if verification.method is VerificationMethod.DNS:
        message.dns_name, message.dns_text = dns_name(verification), dns_text(verification)
    return message


def team_event_message(event: TeamEvent) -> Message:
    """Return the message of an event of a team."""
    match event:
        case MembershipWasChanged():
            return events.CompanyMembershipChanged(
                company_id=event.company_id,
                company_name=event.company_name,
                user_id=event.user_id,
                member_name=event.member_name,
                role=_ROLES.number(event.role),
                change=_STEPS.number(event.step),
                actor_id=event.actor_id,
                membership_number=event.membership_number,
                team_version=event.team_version,
            )
        case InvitationWasSent():
            return _invitation_sent_message(event)
        case OwnershipWasTransferred():
            return events.CompanyOwnershipTransferred(
                company_id=event.company_id,
                company_name=event.company_name,
                from_user_id=event.from_user_id,
                from_name=event.from_name,
                to_user_id=event.to_user_id,
                to_name=event.to_name,
            )


def _invitation_sent_message(event: InvitationWasSent) -> events.CompanyInvitationSent:
    return events.CompanyInvitationSent(
        invitation_id=event.invitation.id,
        company_id=event.secret.company_id,
        company_name=event.company_name,
        inviter_name=event.inviter_name,
        email=event.invitation.email,
        invitation_token=event.secret.text,
        expire_time=_stamp(event.expire_time),
        locale=event.locale,
    )


def _stamp(moment: datetime | None) -> Timestamp | None:
    if moment is None:
        return None
    stamp = Timestamp()
    stamp.FromDatetime(moment)
    return stamp
