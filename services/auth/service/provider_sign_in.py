"""Signing in with another provider, and the identities there that sign in to an account."""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from chassis.aggregates import AggregateChange
from chassis.clock import Clock
from chassis.errors import DomainError, overloaded
from services.auth.domain.accounts import Account
from services.auth.domain.events import IdentityWasChanged
from services.auth.domain.identities import (
    LinkedIdentity,
    PendingSignIn,
    ProvenIdentity,
    invalid_provider_sign_in,
)
from services.auth.domain.linking import (
    check_may_link,
    find_identity,
    has_identity,
    with_identity,
    without_identity,
)
from services.auth.domain.sign_in_result import SignInResult
from services.auth.domain.visitor import Visitor
from services.auth.performers import proven_owner
from services.auth.repository import AccountChange, AccountRepository, IdentityDirectory
from services.auth.service.identity_provider import ProviderCard, ProviderPorts
from services.auth.service.provider_accounts import Newcomer, ProviderAccounts, new_linked_identity
from services.auth.service.sign_in import SignIn

_SECRET_BYTES: Final = 32
_RETRYABLE_REASONS: Final = frozenset(
    {"SECOND_FACTOR_REQUIRED", "INVALID_SECOND_FACTOR", "RATE_LIMITED", "OVERLOADED", "UNAVAILABLE"}
)
"""After these the same ticket completes the sign-in; the provider is not asked again."""


@dataclass(frozen=True, slots=True)
class ProviderAnswer:
    """What a provider has sent back through the person's browser, with the ticket of who began."""

    ticket: str
    state: str
    code: str
    second_factor: str = ""


class ProviderSignIn:
    """Authorisation code with PKCE. Who completes a sign-in is who began it, as only they have its ticket.

    The `state` that travels in addresses is a digest of the ticket: an address that somebody else has made
    signs nobody in.
    """

    def __init__(
        self,
        ports: ProviderPorts,
        *,
        accounts: AccountRepository,
        directory: IdentityDirectory,
        provider_accounts: ProviderAccounts,
        sign_in: SignIn,
        clock: Clock,
    ) -> None:
        self._providers = ports.providers
        self._pending = ports.pending
        self._accounts = accounts
        self._directory = directory
        self._provider_accounts = provider_accounts
        self._sign_in = sign_in
        self._clock = clock

    def list_providers(self) -> Sequence[ProviderCard]:
        """Return the providers that people can sign in with."""
        return self._providers.list_providers()

    async def begin(self, provider_id: str) -> tuple[str, str]:
        """Return the provider's page, and the ticket. Raises PROVIDER_NOT_FOUND, UNAVAILABLE."""
        ticket = _new_secret()
        pending = PendingSignIn(provider_id, nonce=_new_secret(), verifier=_new_secret())
        url = await self._providers.authorization_url(provider_id, _state_of(ticket), pending)
        await self._pending.keep(ticket, pending)
        return url, ticket

    async def complete(self, answer: ProviderAnswer, newcomer: Newcomer, visitor: Visitor) -> SignInResult:
        """Begin a session of who the provider says has signed in; somebody new gets an account.

        Raises PROVIDER_SIGN_IN_INVALID, PROVIDER_EMAIL_UNVERIFIED, IDENTITY_CONFLICT, ACCOUNT_LOCKED,
        PERMISSION_DENIED for staff, UNAVAILABLE; with SECOND_FACTOR_REQUIRED, INVALID_SECOND_FACTOR,
        RATE_LIMITED and OVERLOADED the ticket stays good.
        """
        if not hmac.compare_digest(answer.state.encode(), _state_of(answer.ticket).encode()):
            raise invalid_provider_sign_in()
        pending = await self._pending.take(answer.ticket)
        if pending is None:
            raise invalid_provider_sign_in()
        identity = pending.identity or await self._providers.redeem_code(answer.code, pending)
        try:
            return await self._sign_in_as(identity, answer.second_factor, newcomer, visitor)
        except DomainError as error:
            if error.reason in _RETRYABLE_REASONS:
                await self._pending.keep(answer.ticket, replace(pending, identity=identity))
            raise

    async def list_identities(self, user_id: str) -> tuple[LinkedIdentity, ...]:
        """Return the identities that sign in to an account."""
        return (await self._accounts.get_or_raise(user_id)).identities

    async def unlink(self, user_id: str, identity_id: str) -> None:
        """Let an identity sign in no more. Raises IDENTITY_NOT_FOUND."""

        def decide(account: Account) -> AggregateChange[Account]:
            unlinked = find_identity(account, identity_id)
            event = self._changed(account, unlinked.provider_id, is_linked=False)
            return AggregateChange(without_identity(account, identity_id), (event,))

        known = await self._accounts.get(user_id)
        key = find_identity(known, identity_id).key
        await self._accounts.update(user_id, decide, known=known)
        await self._directory.release_identity(key, user_id)

    async def _sign_in_as(
        self, identity: ProvenIdentity, second_factor: str, newcomer: Newcomer, visitor: Visitor
    ) -> SignInResult:
        linked = await self._directory.find_linked_user(identity.key)
        account = await self._accounts.get(linked) if linked else None
        if account is None or not has_identity(account, identity.key):
            account = await self._provider_accounts.find_by_email(identity)
        if account is None:
            return await self._provider_accounts.open_account(identity, newcomer, visitor, former=linked)
        check_may_link(account)
        amr = await self._sign_in.prove_second_factor(account, second_factor, visitor)
        if not has_identity(account, identity.key):
            account = await self._link(account, identity, former=linked)
        return await self._sign_in.begin_proven(account, visitor, amr)

    async def _link(self, account: Account, identity: ProvenIdentity, *, former: str | None) -> Account:
        now = self._clock.now()
        linked = new_linked_identity(identity, account.id, now)
        with_identity(account, linked)  # refused before the directory is changed
        if not await self._directory.enter_user(identity.key, account.id, former=former, now=now):
            raise overloaded("This identity")

        def decide(found: Account | None) -> AccountChange[Account]:
            if found is None:
                raise invalid_provider_sign_in()
            after = with_identity(found, linked)
            if after is found:
                return AccountChange(found)
            event = self._changed(found, identity.provider_id, is_linked=True)
            return AccountChange(after, account=after, events=(event,))

        performer = proven_owner(account.id)
        return (await self._accounts.update_with_session(account.id, decide, performer=performer)).answer

    def _changed(self, account: Account, provider_id: str, *, is_linked: bool) -> IdentityWasChanged:
        name = self._providers.provider_name(provider_id)
        return IdentityWasChanged(account.id, account.email, name, is_linked)


def _new_secret() -> str:
    return secrets.token_urlsafe(_SECRET_BYTES)


def _state_of(ticket: str) -> str:
    digest = hashlib.sha256(f"state:{ticket}".encode()).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")
