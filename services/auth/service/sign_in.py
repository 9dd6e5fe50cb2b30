"""Signing in, refreshing and signing out."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from chassis.clock import Clock
from chassis.errors import unavailable
from chassis.ids import new_id, slot_of_key
from internshipconnect.events.v1.events_pb2 import SessionCompromised
from services.auth.domain import (
    Account,
    AccountPlan,
    EndReason,
    PresentedRefreshToken,
    RefreshToken,
    RefreshTokenStatus,
    Session,
    invalid_credentials,
    invalid_refresh_token,
    normalise_address,
)
from services.auth.failed_sign_ins import SignInAttempt
from services.auth.hashing import Argon2Hasher
from services.auth.repository import AccountRepository, SessionRepository
from services.auth.service.sign_in_throttle import SignInThrottle
from services.auth.service.token_issuer import SessionRevoker, TokenIssuer
from services.auth.visitor import Visitor

UNKNOWN_VISITOR: Final = Visitor()
REFRESH_GRACE: Final = timedelta(seconds=10)
_MAX_RACES: Final = 5


@dataclass(frozen=True, slots=True)
class SignInResult:
    """Somebody who signed in, with encoded tokens."""

    account: Account
    access_token: str
    refresh_token: str
    device_token: str = ""


class SignIn:
    """What a session goes through, from password to logout."""

    def __init__(
        self,
        *,
        accounts: AccountRepository,
        sessions: SessionRepository,
        hashing: Argon2Hasher,
        minting: TokenIssuer,
        revocations: SessionRevoker,
        attempts: SignInThrottle,
        clock: Clock,
        refresh_grace: timedelta = REFRESH_GRACE,
    ) -> None:
        self._accounts = accounts
        self._sessions = sessions
        self._hashing = hashing
        self._minting = minting
        self._revocations = revocations
        self._attempts = attempts
        self._clock = clock
        self._refresh_grace = refresh_grace

    async def login(self, email: str, password: str, visitor: Visitor = UNKNOWN_VISITOR) -> SignInResult:
        """Begins a session.

        An unknown address costs the same reads and the same hash as a wrong password. Raises
        INVALID_CREDENTIALS for both, ACCOUNT_LOCKED only to somebody who knows the password.
        """
        address = normalise_address(email)
        account = await self._account_of(address)
        attempt = self._attempt(address, account, visitor)
        async with self._attempts.guarded(attempt) as tried:
            matches = await self._hashing.verify(password, account.password_hash if account else None)
            tried.has_succeeded = account is not None and matches
        if account is None or not matches:
            raise invalid_credentials()
        account.check_may_sign_in()
        if self._hashing.is_outdated(account.password_hash):
            await self._rehash(account, password)
        session, token = self.begin(account)
        await self._sessions.add(session)
        return await self.signed_in(account, session, token, visitor)

    async def refresh(self, refresh_token: str, visitor: Visitor = UNKNOWN_VISITOR) -> SignInResult:
        """Exchanges a refresh token for new tokens. Raises INVALID_REFRESH_TOKEN or ACCOUNT_LOCKED.

        A token that was exchanged before ends its session: it is in two hands, and nobody can say which
        of them is the owner's. Only to whom it was answered just now it is answered again.
        """
        shown = self._minting.shown(refresh_token, visitor.digest)
        session = await self._exchanged(shown)
        account = await self._accounts.find(session.user_id)
        if account is None or account.credential != session.credential:
            raise invalid_refresh_token()
        account.check_may_sign_in()
        return SignInResult(
            account,
            await self._minting.access_token(account, session),
            self._minting.encode(shown.successor),
        )

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

    async def signed_in(
        self, account: Account, session: Session, token: RefreshToken, visitor: Visitor
    ) -> SignInResult:
        """The answer to a visitor whose session begins with this refresh token."""
        return SignInResult(
            account,
            await self._minting.access_token(account, session),
            self._minting.encode(token),
            self._minting.device_token(account, visitor.device_tokens),
        )

    def _attempt(self, address: str, account: Account | None, visitor: Visitor) -> SignInAttempt:
        device = self._minting.recognised(account, visitor.device_tokens) if account else None
        plan = account.plan if account else AccountPlan.FREE
        return SignInAttempt(address, device.name if device else "", visitor.client, plan)

    async def _account_of(self, address: str) -> Account | None:
        user_id = await self._accounts.user_of(address)
        return await self._accounts.find(user_id or new_id("usr", slot_of_key(address)))

    async def _rehash(self, account: Account, password: str) -> None:
        renewed = await self._hashing.hash_again(password)
        await self._accounts.replace_hash(account.id, account.password_hash, renewed)

    async def _exchanged(self, shown: PresentedRefreshToken) -> Session:
        """The session after its token is exchanged, by this call or by one just before it."""
        for _ in range(_MAX_RACES):
            session = await self._sessions.find(shown.token.session_id)
            if session is None:
                raise invalid_refresh_token()
            now = self._clock.now()
            verdict = session.judge(shown, self._refresh_grace, now)
            if verdict is RefreshTokenStatus.ANSWERED:
                return session
            if verdict is RefreshTokenStatus.REUSED:
                await self._end_compromised(session)
            if verdict is not RefreshTokenStatus.CURRENT:
                raise invalid_refresh_token()
            rotated = session.rotate(shown, now)
            if await self._sessions.rotate(session, rotated):
                return rotated
        raise unavailable("The session")

    async def _end_compromised(self, session: Session) -> None:
        event = SessionCompromised(user_id=session.user_id, session_id=session.id)
        await self._sessions.end(session.id, EndReason.TOKEN_REUSED, self._clock.now(), event)
        await self.revoke([session.id])
