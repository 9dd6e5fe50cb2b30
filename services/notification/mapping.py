"""Notifications and the facts of events as the contract's messages, both ways."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from chassis.message_fields import enum_names, from_field, read_timestamp, to_datetime
from internshipconnect.application.v1.application_pb2 import Actor, ApplicationState, ClosedReason
from internshipconnect.events.v1 import events_pb2 as events
from internshipconnect.internship.v1.internship_pb2 import InternshipState
from internshipconnect.notification.v1 import notification_pb2 as pb
from internshipconnect.user.v1.companies_pb2 import MembershipChange
from internshipconnect.user.v1.user_pb2 import CompanyState
from services.notification.domain.account_notices import EmailChangeRequest
from services.notification.domain.inbox import InboxPosition, Notification
from services.notification.domain.notices import (
    ApplicationFacts,
    ApplicationMove,
    CompanyChange,
    ListingChange,
)
from services.notification.domain.team_notices import (
    ApiKeyFacts,
    InvitationFacts,
    MembershipFacts,
    OwnershipFacts,
)

_CATEGORIES: Final = enum_names(pb.NotificationCategory.DESCRIPTOR)
_APPLICATION_STATES: Final = enum_names(ApplicationState.DESCRIPTOR)
_ACTORS: Final = enum_names(Actor.DESCRIPTOR)
_CLOSED_REASONS: Final = enum_names(ClosedReason.DESCRIPTOR)
_LISTING_STATES: Final = enum_names(InternshipState.DESCRIPTOR)
_SECOND_FACTOR_CHANGES: Final = enum_names(events.SecondFactorChange.DESCRIPTOR)
_API_KEY_CHANGES: Final = enum_names(events.ApiKeyChange.DESCRIPTOR)
_COMPANY_STATES: Final = enum_names(CompanyState.DESCRIPTOR)
_MEMBERSHIP_CHANGES: Final = enum_names(MembershipChange.DESCRIPTOR)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)


def notification_message(notification: Notification) -> pb.Notification:
    """Return the message of an inbox entry."""
    message = pb.Notification(
        id=notification.id,
        category=_CATEGORIES.number(notification.category),
        title=notification.title,
        body=notification.body,
        subject_id=notification.about,
        read=notification.read,
    )
    message.create_time.FromDatetime(notification.create_time)
    return message


def position_to_token(position: InboxPosition) -> tuple[int, str]:
    """Return the values that a page token carries: milliseconds since 1970, and the ID."""
    moment, id_ = position
    return (moment - _EPOCH) // _MILLISECOND, id_


def position_from_token(values: Sequence[Any] | None) -> InboxPosition | None:
    """Return the position of `position_to_token`'s values; None for the first page."""
    if values is None:
        return None
    milliseconds, id_ = values
    return _EPOCH + milliseconds * _MILLISECOND, id_


def application_facts_from_message(facts: events.ApplicationFacts) -> ApplicationFacts:
    """Return the facts of an application that notices need."""
    return ApplicationFacts(
        id=facts.application_id,
        student_id=facts.student_id,
        student_name=facts.student_name,
        student_headline=facts.student_headline,
        internship_title=facts.internship_title,
        company_id=facts.company_id,
        company_name=facts.company_name,
    )


def application_move_from_message(event: events.ApplicationMoved) -> ApplicationMove:
    """Return an application's move."""
    return ApplicationMove(
        application=application_facts_from_message(event.application),
        from_state=_APPLICATION_STATES.name(from_field(event)),
        to_state=_APPLICATION_STATES.name(event.to),
        actor=_ACTORS.name(event.actor),
        closed_reason=_CLOSED_REASONS.name(event.closed_reason),
        offer_expire_time=read_timestamp(event, "offer_expire_time"),
    )


def listing_change_from_message(event: events.InternshipStateChanged) -> ListingChange:
    """Return a listing's change of state."""
    listing = event.internship
    return ListingChange(
        internship_id=listing.id,
        internship_title=listing.title,
        company_id=listing.company.id,
        from_state=_LISTING_STATES.name(from_field(event)),
        to_state=_LISTING_STATES.name(event.to),
        apply_deadline=read_timestamp(listing, "apply_deadline"),
        apply_deadline_zone=listing.apply_deadline_zone,
        reason=event.reason,
    )


def second_factor_change_from_message(event: events.SecondFactorChanged) -> str:
    """Return what happened to a second factor, by its contract name without prefix."""
    return _SECOND_FACTOR_CHANGES.name(event.change)


def email_change_request_from_message(event: events.EmailChangeRequested) -> EmailChangeRequest:
    """Return a person's wish for another address."""
    return EmailChangeRequest(
        user_id=event.user_id,
        email=event.email,
        code=event.code,
        expire_time=to_datetime(event.expire_time),
        present_email=event.present_email,
        owner_id=event.owner_id,
    )


def company_change_from_message(event: events.CompanyStateChanged) -> CompanyChange:
    """Return a moderator's decision on a company."""
    return CompanyChange(
        company_id=event.company_id,
        company_name=event.company_name,
        to_state=_COMPANY_STATES.name(event.to),
        reason=event.reason,
    )


def invitation_from_message(event: events.CompanyInvitationSent) -> InvitationFacts:
    """Return the facts of an invitation."""
    return InvitationFacts(
        invitation_id=event.invitation_id,
        company_name=event.company_name,
        inviter_name=event.inviter_name,
        email=event.email,
        invitation_token=event.invitation_token,
        expire_time=to_datetime(event.expire_time),
        locale=event.locale,
    )


def membership_from_message(event: events.CompanyMembershipChanged) -> MembershipFacts:
    """Return the facts of a membership that changed."""
    return MembershipFacts(
        company_id=event.company_id,
        company_name=event.company_name,
        user_id=event.user_id,
        member_name=event.member_name,
        change=_MEMBERSHIP_CHANGES.name(event.change),
        actor_id=event.actor_id,
    )


def ownership_from_message(event: events.CompanyOwnershipTransferred) -> OwnershipFacts:
    """Return the facts of an ownership that was handed over."""
    return OwnershipFacts(
        company_id=event.company_id,
        company_name=event.company_name,
        from_user_id=event.from_user_id,
        from_name=event.from_name,
        to_user_id=event.to_user_id,
        to_name=event.to_name,
    )


def api_key_from_message(event: events.ApiKeyChanged) -> ApiKeyFacts:
    """Return the facts of an API key that was made or revoked."""
    return ApiKeyFacts(
        company_id=event.company_id,
        company_name=event.company_name,
        api_key_name=event.api_key_name,
        change=_API_KEY_CHANGES.name(event.change),
        owner_ids=tuple(event.owner_ids),
    )
