"""The port to other providers that prove who people are."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from services.auth.domain.identities import PendingSignIn, ProvenIdentity


@dataclass(frozen=True, slots=True)
class ProviderCard:
    """A provider as people see it."""

    id: str
    name: str


class IdentityProviders(Protocol):
    """The providers that people can sign in with."""

    def list_providers(self) -> Sequence[ProviderCard]:
        """Return the providers in the operator's order."""
        ...

    def provider_name(self, provider_id: str) -> str:
        """Return the name that people are shown; the ID of a provider that there is not any more."""
        ...

    async def authorization_url(self, provider_id: str, state: str, pending: PendingSignIn) -> str:
        """Return the address to send a person to. Raises PROVIDER_NOT_FOUND, UNAVAILABLE."""
        ...

    async def redeem_code(self, code: str, pending: PendingSignIn) -> ProvenIdentity:
        """Return who a provider says has signed in. Raises PROVIDER_SIGN_IN_INVALID, UNAVAILABLE."""
        ...


class PendingSignIns(Protocol):
    """The sign-ins that have begun, by their tickets."""

    async def keep(self, ticket: str, pending: PendingSignIn) -> None:
        """Keep a sign-in for some minutes. Raises UNAVAILABLE."""
        ...

    async def take(self, ticket: str) -> PendingSignIn | None:
        """Return the sign-in of a ticket, and forget it: of two who take it one gets None."""
        ...


@dataclass(frozen=True, slots=True)
class ProviderPorts:
    """What signing in with other providers stands on."""

    providers: IdentityProviders
    pending: PendingSignIns
