"""Signing in, refreshing and signing out."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Final

from chassis.aggregates import AggregateChange
from chassis.clock import Clock
from chassis.ids import new_id, slot_of_key
from services.auth.domain.accounts import Account, AccountPlan, invalid_credentials
from services.auth.domain.addresses import normalise_address
from services.auth.domain.sessions import (
    EndReason,
    PresentedRefreshToken,
    RefreshToken,
    Session,
    invalid_refresh_token,
)
from services.auth.domain.sign_in_result import SignInResult
from services.auth.domain.visitor import UNKNOWN_VISITOR, Visitor
from services.auth.failed_sign_ins import SignInAttempt
from services.auth.hashing import Argon2Hasher
from services.auth.repository import AccountRepository, SessionRepository
from services.auth.service.sign_in_throttle import ReportStanding, SignInThrottle
from services.auth.service.token_issuer import SessionRevoker, TokenIssuer

REFRESH_GRACE: Final = timedelta(seconds=10)


class SignIn:
    """The life of a session, from password to sign-out."""

    def __init__(
        self,
        *,
        accounts: AccountRepository,
        sessions: SessionRepository,
        hasher: Argon2Hasher,
        token_issuer: TokenIssuer,
        revocations: SessionRevoker,
        throttle: SignInThrottle,
        clock: Clock,
        refresh_grace: timedelta = REFRESH_GRACE,
    ) -> None:
        self._accounts = accounts
        self._sessions = sessions
        self._hasher = hasher
        self._token_issuer = token_issuer
        self._revocations = revocations
        self._throttle = throttle
        self._clock = clock
        self._refresh_grace = refresh_grace

    async def login(
        self,
        email: str,
        password: str,
        visitor: Visitor = UNKNOWN_VISITOR,
        report: ReportStanding = lambda _: None,
    ) -> SignInResult:
        """Begin a session; `report` receives the caller's standing by the policy of failed sign-ins.

        An unknown address costs the same reads and the same hash as a wrong password. Raises
        INVALID_CREDENTIALS for both, ACCOUNT_LOCKED only to a caller with the right password.
        """
        address = normalise_address(email)
        account = await self._find_account(address)
        attempt = self._attempt(address, account, visitor)
        async with self._throttle.guard_attempt(attempt, report) as tried:
            matches = await self._hasher.verify_password(password, account.password_hash if account else None)
            tried.has_succeeded = account is not None and matches
        if account is None or not matches:
            raise invalid_credentials()
        account.check_may_sign_in()
        if self._hasher.is_outdated(account.password_hash):
            await self._rehash(account, password)
        session, token = self.begin_session(account)
        await self._sessions.insert(session)
        return await self.sign_in_result(account, session, token, visitor)

    async def refresh(self, refresh_token: str, visitor: Visitor = UNKNOWN_VISITOR) -> SignInResult:
        """Exchange a refresh token for new tokens. Raises INVALID_REFRESH_TOKEN or ACCOUNT_LOCKED.

        A token that was exchanged before ends its session: two parties hold it, and nothing shows which of
        them is the owner. Only the client that exchanged it just now gets the same answer again.
        """
        presented = self._token_issuer.decode_refresh_token(refresh_token, visitor.digest)
        session = await self._exchange_token(presented)
        account = await self._accounts.get(session.user_id)
        if account is None or account.credential != session.credential:
            raise invalid_refresh_token()
        account.check_may_sign_in()
        return SignInResult(
            account,
            await self._token_issuer.access_token(account, session),
            self._token_issuer.encode_refresh_token(presented.successor),
        )

    async def logout(self, session_id: str) -> None:
        """End a session; ending an ended one changes nothing."""
        await self._sessions.end_session(session_id, EndReason.LOGOUT, self._clock.now())
        await self.revoke_sessions([session_id])

    def begin_session(self, account: Account) -> tuple[Session, RefreshToken]:
        """Return a session that begins now, not stored yet, and its first refresh token."""
        return self._token_issuer.start_session(account)

    async def revoke_sessions(self, session_ids: Iterable[str]) -> None:
        """Revoke the access tokens of ended sessions."""
        await self._revocations.revoke(session_ids)

    async def sign_in_result(
        self, account: Account, session: Session, token: RefreshToken, visitor: Visitor
    ) -> SignInResult:
        """Return the answer to a visitor whose session begins with this refresh token."""
        return SignInResult(
            account,
            await self._token_issuer.access_token(account, session),
            self._token_issuer.encode_refresh_token(token),
            self._token_issuer.device_token(account, visitor.device_tokens),
        )

    def _attempt(self, address: str, account: Account | None, visitor: Visitor) -> SignInAttempt:
        device = self._token_issuer.recognise_device(account, visitor.device_tokens) if account else None
        plan = account.plan if account else AccountPlan.FREE
        return SignInAttempt(address, device.name if device else "", visitor.client, plan)

    async def _find_account(self, address: str) -> Account | None:
        user_id = await self._accounts.find_user_id(address)
        return await self._accounts.get(user_id or new_id("usr", slot_of_key(address)))

    async def _rehash(self, account: Account, password: str) -> None:
        renewed = await self._hasher.rehash_password(password)
        await self._accounts.renew_hash(account, renewed)

    async def _exchange_token(self, presented: PresentedRefreshToken) -> Session:
        """Return the session after its token is exchanged, by this call or by one just before it."""

        def decide(session: Session | None) -> AggregateChange[Session] | None:
            if session is None:
                raise invalid_refresh_token()
            return session.exchange_token(presented, self._refresh_grace, self._clock.now())

        session = await self._sessions.upsert(presented.token.session_id, decide)
        if session is None or session.end_time is not None:
            await self.revoke_sessions([presented.token.session_id])
            raise invalid_refresh_token()
        return session
