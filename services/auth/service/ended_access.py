"""Revokes the access tokens of sessions that a change of their account has ended."""

from chassis.clock import Clock
from services.auth.domain.accounts import Account
from services.auth.domain.keys import ACCESS_TOKEN_LIFE
from services.auth.repository import AccountRepository
from services.auth.service.token_issuer import SessionRevoker


class EndedAccess:
    """Revokes what was issued for an account's earlier credentials, within seconds in every service."""

    def __init__(self, accounts: AccountRepository, revocations: SessionRevoker, clock: Clock) -> None:
        self._accounts = accounts
        self._revocations = revocations
        self._clock = clock

    async def revoke(self, account: Account) -> None:
        """Revoke the tokens of the sessions that ended lately; a repeat does it again, in case of a crash."""
        since = self._clock.now() - ACCESS_TOKEN_LIFE
        await self._revocations.revoke(await self._accounts.list_sessions_ended_since(account, since))
