"""Accounts, sessions and keys as the contract's messages, and the domain's events as the contract's."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from google.protobuf.message import Message

from chassis.message_fields import EnumNames
from chassis.security.tokens import ALGORITHM
from internshipconnect.auth.v1 import (
    administration_pb2,
    api_keys_pb2,
    erasure_pb2,
    identities_pb2,
    passkeys_pb2,
    second_factors_pb2,
    security_events_pb2,
)
from internshipconnect.auth.v1 import auth_pb2 as pb
from internshipconnect.common.v1 import common_pb2 as common
from internshipconnect.events.v1 import events_pb2 as events
from internshipconnect.options.v1 import options_pb2
from internshipconnect.user.v1 import user_pb2
from services.auth.domain.accounts import (
    Account,
    AccountKind,
    AccountPlan,
    CompanyMembership,
    CompanyPlan,
    CompanyRole,
)
from services.auth.domain.api_keys import ApiKey, ApiKeyScope, shown_prefix
from services.auth.domain.deletions import AccountDeletion
from services.auth.domain.events import (
    ApiKeyWasChanged,
    AuthEvent,
    DeletionWasCancelled,
    DeletionWasRequested,
    EmailChangeWasRequested,
    EmailWasChanged,
    ErasureWasRequested,
    IdentityWasChanged,
    PasswordResetWasRequested,
    PasswordWasReplaced,
    RegistrationWasRepeated,
    SecondFactorWasChanged,
    SessionWasCompromised,
    UserWasRegistered,
    UserWasVerified,
    VerificationWasRequested,
)
from services.auth.domain.identities import LinkedIdentity
from services.auth.domain.keys import ACCESS_TOKEN_LIFE, SigningKey
from services.auth.domain.passkeys import Passkey
from services.auth.domain.security_events import PerformerKind, SecurityEvent
from services.auth.domain.sessions import Session
from services.auth.domain.sign_in_result import SignInResult

JWKS_PATH: Final = "/.well-known/jwks.json"
TOKEN_CLAIMS: Final = (
    *("iss", "aud", "sub", "sid", "iat", "exp", "auth_time", "amr"),
    *("kind", "role", "org", "plan", "scope", "email_verified"),
)
"""The claims that access tokens can have."""
_ACCOUNT_KINDS: Final = EnumNames(common.AccountKind.DESCRIPTOR)
_COMPANY_ROLES: Final = EnumNames(common.CompanyRole.DESCRIPTOR)
_PLANS: Final = EnumNames(common.Plan.DESCRIPTOR)
_SECOND_FACTOR_CHANGES: Final = EnumNames(events.SecondFactorChange.DESCRIPTOR)
_SECURITY_VERBS: Final = EnumNames(security_events_pb2.SecurityVerb.DESCRIPTOR)
_PERFORMER_KINDS: Final = EnumNames(security_events_pb2.PerformerKind.DESCRIPTOR)
_ACCOUNT_STATES: Final = EnumNames(pb.AccountState.DESCRIPTOR)
_API_KEY_SCOPES: Final = EnumNames(options_pb2.ApiKeyScope.DESCRIPTOR)
_API_KEY_CHANGES: Final = EnumNames(events.ApiKeyChange.DESCRIPTOR)


def account_kind_from_number(value: int) -> AccountKind:
    """Return the domain's kind of account of a value of the contract that is not UNSPECIFIED."""
    return _ACCOUNT_KINDS.member(AccountKind, value)


def plan_from_number(value: int) -> AccountPlan:
    """Return the domain's plan of a value of the contract that is not UNSPECIFIED."""
    return _PLANS.member(AccountPlan, value)


def scopes_from_numbers(values: Iterable[int]) -> tuple[ApiKeyScope, ...]:
    """Return the domain's scopes of the contract's values that are not UNSPECIFIED, in the domain's order."""
    given = {_API_KEY_SCOPES.member(ApiKeyScope, value) for value in values}
    return tuple(scope for scope in ApiKeyScope if scope in given)


def api_key_message(key: ApiKey) -> api_keys_pb2.ApiKey:
    """Return a key as its company sees it: all but its secret."""
    message = api_keys_pb2.ApiKey(
        id=key.id,
        name=key.name,
        prefix=shown_prefix(key.id),
        scopes=[_API_KEY_SCOPES.number(scope) for scope in key.scopes],
        creator_id=key.creator_id,
        last_use_day=key.last_use_day,
    )
    message.create_time.FromDatetime(key.create_time)
    message.expire_time.FromDatetime(key.expire_time)
    return message


def identity_message(identity: LinkedIdentity) -> identities_pb2.Identity:
    """Return an identity as the owner of the account sees it."""
    message = identities_pb2.Identity(id=identity.id, provider_id=identity.provider_id, email=identity.email)
    message.link_time.FromDatetime(identity.link_time)
    return message


def passkey_message(passkey: Passkey) -> passkeys_pb2.Passkey:
    """Return a passkey as the owner of the account sees it: all but its key."""
    message = passkeys_pb2.Passkey(
        id=passkey.id,
        name=passkey.name,
        backup_eligible=passkey.is_backup_eligible,
        backed_up=passkey.is_backed_up,
        refused=passkey.is_refused,
    )
    message.create_time.FromDatetime(passkey.create_time)
    if passkey.last_use_time:
        message.last_use_time.FromDatetime(passkey.last_use_time)
    return message


def is_suspended_by(event: events.CompanyStateChanged) -> bool:
    """Return whether a company is suspended after a change of its state."""
    return event.to == user_pb2.COMPANY_STATE_SUSPENDED


def tokens_message(signed_in: SignInResult) -> pb.Tokens:
    """Return the tokens of an answer."""
    return pb.Tokens(
        access_token=signed_in.access_token,
        refresh_token=signed_in.refresh_token,
        expires_in=int(ACCESS_TOKEN_LIFE.total_seconds()),
    )


def second_factors_message(account: Account) -> second_factors_pb2.SecondFactors:
    """Return an account's second factors as its owner sees them."""
    message = second_factors_pb2.SecondFactors(
        authenticator=account.needs_second_factor, recovery_codes_left=len(account.recovery_codes)
    )
    if account.authenticator and account.authenticator.confirm_time:
        message.authenticator_since.FromDatetime(account.authenticator.confirm_time)
    return message


def session_message(signed_in: SignInResult) -> pb.SessionResponse:
    """Return the answer that begins or continues a session."""
    session = pb.Session(
        user=user_message(signed_in.account),
        tokens=tokens_message(signed_in),
        device_token=signed_in.device_token or None,
    )
    return pb.SessionResponse(data=session)


def jwk_message(key: SigningKey) -> pb.Jwk:
    """Return the public part of a signing key (RFC 7517)."""
    return pb.Jwk(kty="EC", crv="P-256", kid=key.kid, use="sig", alg="ES256", x=key.x, y=key.y)


def openid_configuration_message(issuer: str) -> pb.OpenIdConfiguration:
    """Return the discovery document of an issuer, whose keys are at the path of the JWKS beside it."""
    return pb.OpenIdConfiguration(
        issuer=issuer,
        jwks_uri=f"{issuer}{JWKS_PATH}",
        subject_types_supported=["public"],
        id_token_signing_alg_values_supported=[ALGORITHM],
        claims_supported=TOKEN_CLAIMS,
    )


def event_message(event: AuthEvent) -> Message:
    """Return the contract's event for an event of the domain."""
    return _EVENT_MESSAGES[type(event)](event)


def founding_membership(event: events.UserRegistered) -> CompanyMembership | None:
    """Return the membership of somebody who has registered with a company; None without one."""
    if not event.company_id:
        return None
    role = _COMPANY_ROLES.member_or_none(CompanyRole, event.role)
    return CompanyMembership(event.company_id, event.company_name, role, number=0, team_version=0)


def membership_from_event(event: events.CompanyMembershipChanged) -> CompanyMembership:
    """Return the membership that the user service has published."""
    return CompanyMembership(
        company_id=event.company_id,
        company_name=event.company_name,
        role=_COMPANY_ROLES.member_or_none(CompanyRole, event.role),
        number=event.membership_number,
        team_version=event.team_version,
    )


def session_info_message(session: Session, *, current: bool) -> pb.SessionInfo:
    """Return a session as its owner sees it."""
    message = pb.SessionInfo(id=session.id, device=session.device, area=session.area, current=current)
    message.create_time.FromDatetime(session.start_time)
    message.last_seen_time.FromDatetime(session.refresh_time)
    message.expire_time.FromDatetime(session.expire_time)
    return message


def user_message(account: Account) -> pb.User:
    """Return an account as its owner sees it."""
    user = pb.User(
        id=account.id,
        email=account.email,
        kind=_ACCOUNT_KINDS.number(account.holder.kind),
        role=_COMPANY_ROLES.number(account.holder.role),
        company_id=account.holder.company_id,
        plan=_PLANS.number(account.effective_plan),
        state=_ACCOUNT_STATES.number(account.state),
        email_verified=account.email_verified,
    )
    user.create_time.FromDatetime(account.create_time)
    return user


def account_details_message(account: Account) -> administration_pb2.AccountDetails:
    """Return an account as administrators see it."""
    holder, shared = account.holder, account.company_plan
    is_shared = shared is not None and shared.id == holder.company_id
    details = administration_pb2.AccountDetails(
        user_id=account.id,
        email=account.email,
        name=holder.name,
        kind=_ACCOUNT_KINDS.number(holder.kind),
        role=_COMPANY_ROLES.number(holder.role),
        company_id=holder.company_id,
        plan=_PLANS.number(account.plan),
        company_plan=_PLANS.number(shared.plan if shared and is_shared else None),
        state=_ACCOUNT_STATES.number(account.state),
        state_reason=account.state_reason,
        email_verified=account.email_verified,
        second_factor=account.needs_second_factor,
    )
    details.create_time.FromDatetime(account.create_time)
    return details


def company_plan_message(plan: CompanyPlan, members: int) -> administration_pb2.CompanyPlan:
    """Return a company's plan, and the number of members who have it."""
    return administration_pb2.CompanyPlan(company_id=plan.id, plan=_PLANS.number(plan.plan), members=members)


def security_event_message(
    event: SecurityEvent, *, names_performer: bool = False
) -> security_events_pb2.SecurityEvent:
    """Return a security event; of others who performed it the kind only, unless `names_performer`."""
    performer, note = event.performer, event.note
    shows_place = names_performer or performer.kind in (PerformerKind.OWNER, PerformerKind.UNKNOWN)
    message = security_events_pb2.SecurityEvent(
        id=event.id,
        number=event.number,
        verb=_SECURITY_VERBS.number(note.verb),
        performer_kind=_PERFORMER_KINDS.number(performer.kind),
        performer_id=performer.id if names_performer else "",
        acting_for=performer.acting_for,
        area=performer.area if shows_place else "",
        request_id=performer.request_id if shows_place else "",
        target=note.target,
        before=note.before,
        after=note.after,
    )
    message.time.FromDatetime(event.time)
    return message


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


def _session_compromised_message(event: SessionWasCompromised) -> events.SessionCompromised:
    message = events.SessionCompromised(
        user_id=event.user_id, session_id=event.session_id, device=event.device, area=event.area
    )
    message.start_time.FromDatetime(event.start_time)
    return message


def _reset_requested_message(event: PasswordResetWasRequested) -> events.PasswordResetRequested:
    message = events.PasswordResetRequested(user_id=event.user_id, email=event.email, code=event.code)
    if event.expire_time:
        message.expire_time.FromDatetime(event.expire_time)
    return message


def _api_key_changed_message(event: ApiKeyWasChanged) -> events.ApiKeyChanged:
    return events.ApiKeyChanged(
        company_id=event.company_id,
        company_name=event.company_name,
        api_key_id=event.key_id,
        api_key_name=event.key_name,
        change=_API_KEY_CHANGES.number(event.change),
        actor_id=event.actor_id,
        owner_ids=event.owner_ids,
    )


def _deletion_requested_message(event: DeletionWasRequested) -> events.AccountDeletionRequested:
    message = events.AccountDeletionRequested(user_id=event.user_id, email=event.email)
    message.erase_time.FromDatetime(event.erase_time)
    return message


def deletion_message(deletion: AccountDeletion) -> erasure_pb2.AccountDeletion:
    """Return a deletion as its owner sees it."""
    message = erasure_pb2.AccountDeletion()
    message.request_time.FromDatetime(deletion.request_time)
    message.erase_time.FromDatetime(deletion.erase_time)
    return message


def _email_change_requested_message(event: EmailChangeWasRequested) -> events.EmailChangeRequested:
    message = events.EmailChangeRequested(
        user_id=event.user_id,
        email=event.email,
        code=event.code,
        present_email=event.present_email,
        owner_id=event.owner_id,
    )
    message.expire_time.FromDatetime(event.expire_time)
    return message


_EVENT_MESSAGES: Final[Mapping[type[AuthEvent], Callable[[Any], Message]]] = {
    ApiKeyWasChanged: _api_key_changed_message,
    DeletionWasRequested: _deletion_requested_message,
    DeletionWasCancelled: lambda event: events.AccountDeletionCancelled(
        user_id=event.user_id, email=event.email
    ),
    ErasureWasRequested: lambda event: events.AccountErasureRequested(user_id=event.user_id),
    IdentityWasChanged: lambda event: events.IdentityChanged(
        user_id=event.user_id,
        email=event.email,
        provider_name=event.provider_name,
        linked=event.is_linked,
    ),
    UserWasRegistered: lambda event: _user_registered_message(event.account),
    UserWasVerified: lambda event: events.UserVerified(user_id=event.user_id),
    VerificationWasRequested: _verification_requested_message,
    RegistrationWasRepeated: lambda event: events.RegistrationRepeated(
        user_id=event.account.id, email=event.account.email, name=event.account.holder.name
    ),
    SessionWasCompromised: _session_compromised_message,
    PasswordResetWasRequested: _reset_requested_message,
    PasswordWasReplaced: lambda event: events.PasswordReplaced(user_id=event.user_id, email=event.email),
    EmailChangeWasRequested: _email_change_requested_message,
    EmailWasChanged: lambda event: events.EmailChanged(
        user_id=event.user_id,
        former_email=event.former_email,
        email=event.email,
        account_version=event.account_version,
    ),
    SecondFactorWasChanged: lambda event: events.SecondFactorChanged(
        user_id=event.user_id, email=event.email, change=_SECOND_FACTOR_CHANGES.number(event.change)
    ),
}
