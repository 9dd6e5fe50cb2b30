"""Accounts, sessions and keys as the contract's messages, and the domain's events as the contract's."""

from typing import Final

from google.protobuf.message import Message

from chassis.message_fields import EnumNames
from internshipconnect.auth.v1 import auth_pb2 as pb
from internshipconnect.common.v1 import common_pb2 as common
from internshipconnect.events.v1 import events_pb2 as events
from services.auth.domain.accounts import Account, AccountKind
from services.auth.domain.events import (
    AuthEvent,
    RegistrationWasRepeated,
    SessionWasCompromised,
    UserWasRegistered,
    UserWasVerified,
    VerificationWasRequested,
)
from services.auth.domain.keys import ACCESS_TOKEN_LIFE, SigningKey
from services.auth.domain.sign_in_result import SignInResult

_ACCOUNT_KINDS: Final = EnumNames(common.AccountKind.DESCRIPTOR)
_COMPANY_ROLES: Final = EnumNames(common.CompanyRole.DESCRIPTOR)
_PLANS: Final = EnumNames(common.Plan.DESCRIPTOR)
_ACCOUNT_STATES: Final = EnumNames(pb.AccountState.DESCRIPTOR)


def account_kind_from_number(value: int) -> AccountKind:
    """Return the domain's kind of account of a value of the contract that is not UNSPECIFIED."""
    return _ACCOUNT_KINDS.member(AccountKind, value)


def session_message(signed_in: SignInResult) -> pb.SessionResponse:
    """Return the answer that begins or continues a session."""
    tokens = pb.Tokens(
        access_token=signed_in.access_token,
        refresh_token=signed_in.refresh_token,
        expires_in=int(ACCESS_TOKEN_LIFE.total_seconds()),
    )
    session = pb.Session(
        user=_user_message(signed_in.account),
        tokens=tokens,
        device_token=signed_in.device_token or None,
    )
    return pb.SessionResponse(data=session)


def jwk_message(key: SigningKey) -> pb.Jwk:
    """Return the public part of a signing key (RFC 7517)."""
    return pb.Jwk(kty="EC", crv="P-256", kid=key.kid, use="sig", alg="ES256", x=key.x, y=key.y)


def event_message(event: AuthEvent) -> Message:
    """Return the contract's event for an event of the domain."""
    match event:
        case UserWasRegistered(account):
            return _user_registered_message(account)
        case UserWasVerified(user_id):
            return events.UserVerified(user_id=user_id)
        case VerificationWasRequested():
            return _verification_requested_message(event)
        case RegistrationWasRepeated(account):
            return events.RegistrationRepeated(
                user_id=account.id, email=account.email, name=account.holder.name
            )
        case SessionWasCompromised(user_id, session_id):
            return events.SessionCompromised(user_id=user_id, session_id=session_id)


def _user_message(account: Account) -> pb.User:
    user = pb.User(
        id=account.id,
        email=account.email,
        kind=_ACCOUNT_KINDS.number(account.holder.kind),
        role=_COMPANY_ROLES.number(account.holder.role),
        company_id=account.holder.company_id,
        plan=_PLANS.number(account.plan),
        state=_ACCOUNT_STATES.number(account.state),
        email_verified=account.email_verified,
    )
    user.create_time.FromDatetime(account.create_time)
    return user


def _user_registered_message(account: Account) -> events.UserRegistered:
    holder = account.holder
    return events.UserRegistered(
        user_id=account.id,
        email=account.email,
        name=holder.name,
        kind=_ACCOUNT_KINDS.number(holder.kind),
        role=_COMPANY_ROLES.number(holder.role),
        company_id=holder.company_id,
        company_name=holder.company_name,
        account_version=account.version,
        email_verified=account.email_verified,
        locale=account.locale,
    )


def _verification_requested_message(event: VerificationWasRequested) -> events.VerificationRequested:
    message = events.VerificationRequested(
        user_id=event.user_id, email=event.email, name=event.name, code=event.code, locale=event.locale
    )
    message.expire_time.FromDatetime(event.expire_time)
    return message
