"""Signing in, refreshing and signing out."""

from collections.abc import Iterable
from dataclasses import dataclass

from chassis.clock import Clock
from chassis.ids import new_id, slot_of_key
from internshipconnect.events.v1.events_pb2 import SessionCompromised
from services.auth.domain import (
    Account,
    EndReason,
    RefreshToken,
    Session,
    Verdict,
    invalid_credentials,
    invalid_refresh_token,
    normalise,
)
from services.auth.hashing import PasswordHashing
from services.auth.service.tokens import Minting, Revocations
from services.auth.store import AccountStore, SessionStore


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Somebody who signed in, with encoded tokens."""

    account: Account
    access_token: str
    refresh_token: str


class SigningIn:
    """What a session goes through, from password to logout."""

    def __init__(
        self,
        *,
        accounts: AccountStore,
        sessions: SessionStore,
        hashing: PasswordHashing,
        minting: Minting,
        revocations: Revocations,
        clock: Clock,
    ) -> None:
        self._accounts = accounts
        self._sessions = sessions
        self._hashing = hashing
        self._minting = minting
        self._revocations = revocations
        self._clock = clock

    async def login(self, email: str, password: str) -> SignedIn:
        """Begins a session.

        An unknown address costs the same reads and the same hash as a wrong password. Raises
        INVALID_CREDENTIALS for both, ACCOUNT_LOCKED only to somebody who knows the password.
        """
        account = await self._account_of(normalise(email))
        matches = await self._hashing.verify(password, account.password_hash if account else None)
        if account is None or not matches:
            raise invalid_credentials()
        account.check_may_sign_in()
        if self._hashing.is_outdated(account.password_hash):
            await self._rehash(account, password)
        session, token = self.begin(account)
        await self._sessions.add(session)
        return await self.signed_in(account, session, token)

    async def refresh(self, refresh_token: str) -> SignedIn:
        """Exchanges a refresh token for new tokens. Raises INVALID_REFRESH_TOKEN or ACCOUNT_LOCKED.

        A token that was exchanged before ends its session: it is in two hands, and nobody can say which
        of them is the owner's.
        """
        token = self._minting.decode(refresh_token)
        session = await self._sessions.find(token.session_id)
        if session is None:
            raise invalid_refresh_token()
        await self._check_current(session, token)
        account = await self._accounts.find(session.user_id)
        if account is None or account.credential != session.credential:
            raise invalid_refresh_token()
        account.check_may_sign_in()
        return await self._rotate(account, session)

    async def logout(self, session_id: str) -> None:
        """Ends a session; to end an ended one changes nothing."""
        await self._sessions.end(session_id, EndReason.LOGOUT, self._clock.now())
        await self.revoke([session_id])

    def begin(self, account: Account) -> tuple[Session, RefreshToken]:
        """A session that begins now, yet to be kept, and its first refresh token."""
        return self._minting.session(account)

    async def revoke(self, session_ids: Iterable[str]) -> None:
        """Makes the access tokens of ended sessions worthless."""
        await self._revocations.revoke(session_ids)

    async def signed_in(self, account: Account, session: Session, token: RefreshToken) -> SignedIn:
        """The answer for a session whose current refresh token this is."""
        return SignedIn(
            account, await self._minting.access_token(account, session), self._minting.encode(token)
        )

    async def _account_of(self, address: str) -> Account | None:
        user_id = await self._accounts.user_of(address)
        return await self._accounts.find(user_id or new_id("usr", slot_of_key(address)))

    async def _rehash(self, account: Account, password: str) -> None:
        renewed = await self._hashing.hash_again(password)
        await self._accounts.replace_hash(account.id, account.password_hash, renewed)

    async def _rotate(self, account: Account, session: Session) -> SignedIn:
        token = self._minting.refresh_token(session.id)
        rotated = session.rotate(token, self._clock.now())
        if not await self._sessions.rotate(session, rotated):
            await self._end_compromised(session)
            raise invalid_refresh_token()
        return await self.signed_in(account, rotated, token)

    async def _check_current(self, session: Session, token: RefreshToken) -> None:
        verdict = session.judge(token, self._clock.now())
        if verdict is Verdict.REUSED:
            await self._end_compromised(session)
        if verdict is not Verdict.CURRENT:
            raise invalid_refresh_token()

    async def _end_compromised(self, session: Session) -> None:
        event = SessionCompromised(user_id=session.user_id, session_id=session.id)
        await self._sessions.end(session.id, EndReason.TOKEN_REUSED, self._clock.now(), event)
        await self.revoke([session.id])
