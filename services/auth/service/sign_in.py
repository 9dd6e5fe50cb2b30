"""Signing in, refreshing and signing out."""

from collections.abc import Iterable
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from typing import Final

from chassis.aggregates import AggregateChange
from chassis.call_context import SECOND_FACTOR_METHOD
from chassis.clock import Clock
from chassis.errors import DomainError
from services.auth.domain.accounts import Account, AccountPlan, invalid_credentials
from services.auth.domain.addresses import normalise_address
from services.auth.domain.identities import PROVIDER_METHOD
from services.auth.domain.second_factors import second_factor_required
from services.auth.domain.sessions import (
    EndReason,
    PresentedRefreshToken,
    RefreshToken,
    Session,
    invalid_refresh_token,
)
from services.auth.domain.sign_in_policy import SignInStanding
from services.auth.domain.sign_in_result import SignInResult
from services.auth.domain.visitor import UNKNOWN_VISITOR, Visitor
from services.auth.failed_sign_ins import SignInAttempt
from services.auth.hashing import Argon2Hasher
from services.auth.repository import AccountRepository, SessionRepository
from services.auth.service.record_failures import RecordFailures
from services.auth.service.second_factor_check import SecondFactorCheck
from services.auth.service.sign_in_throttle import ReportStanding, SignInOutcome, SignInThrottle
from services.auth.service.token_issuer import PASSWORD_AMR, SessionRevoker, TokenIssuer

REFRESH_GRACE: Final = timedelta(seconds=10)
MAX_SIGN_IN_ATTEMPTS: Final = 10
"""How often a session begins over changes of its account before the caller has to."""


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
        second_factors: SecondFactorCheck,
        failures: RecordFailures,
        clock: Clock,
        refresh_grace: timedelta = REFRESH_GRACE,
    ) -> None:
        self._accounts = accounts
        self._sessions = sessions
        self._hasher = hasher
        self._token_issuer = token_issuer
        self._revocations = revocations
        self._throttle = throttle
        self._second_factors = second_factors
        self._failures = failures
        self._clock = clock
        self._refresh_grace = refresh_grace

    async def login(
        self,
        email: str,
        password: str,
        visitor: Visitor = UNKNOWN_VISITOR,
        report: ReportStanding = lambda _: None,
        *,
        second_factor: str = "",
    ) -> SignInResult:
        """Begin a session; `report` receives the caller's standing by the policy of failed sign-ins.

        An unknown address costs the same reads and the same hash as a wrong password. Raises
        INVALID_CREDENTIALS for both; only to a caller with the right password ACCOUNT_LOCKED,
        SECOND_FACTOR_REQUIRED and INVALID_SECOND_FACTOR.
        """
        address = normalise_address(email)
        account = await self._find_account(address)
        attempt = self._attempt(address, account, visitor)
        async with self._throttle.guard_attempt(attempt, self._recording(account, report)) as tried:
            amr = await self._prove(account, password, second_factor, tried)
        if account is None or amr is None:
            raise invalid_credentials()
        if self._hasher.is_outdated(account.password_hash):
            await self._rehash(account, password)
        return await self._begin(account, password, visitor, amr)

    async def _begin(
        self, account: Account, password: str, visitor: Visitor, amr: tuple[str, ...]
    ) -> SignInResult:
        """Store a session of an account whose password and factor were proven.

        When a change of the account has ended its sessions since, the password is checked once more: a plan
        that ended leaves it right, a suspension or another password does not.
        """
        for _ in range(MAX_SIGN_IN_ATTEMPTS):
            session, token = self.begin_session(account, visitor, amr)
            if await self._sessions.begin(session):
                return await self.sign_in_result(account, session, token, visitor)
            account = await self._accounts.get_or_raise(account.id)
            if not await self._hasher.verify_password(password, account.password_hash):
                raise invalid_credentials()
            account.check_may_sign_in()
            if account.needs_second_factor and SECOND_FACTOR_METHOD not in amr:
                raise second_factor_required()
        raise _changing_account()

    async def is_password_of(self, account: Account, password: str, visitor: Visitor) -> bool:
        """Return whether a password is the account's; a wrong one counts as a failed sign-in.

        Raises RATE_LIMITED, OVERLOADED.
        """
        async with self.guard_guess(account, visitor) as tried:
            tried.has_succeeded = await self._hasher.verify_password(password, account.password_hash)
        return tried.has_succeeded

    async def prove(
        self, account: Account, password: str, second_factor: str, visitor: Visitor
    ) -> tuple[str, ...] | None:
        """Return the methods by which a caller has proven to own an account; None for a wrong password.

        Raises ACCOUNT_LOCKED, SECOND_FACTOR_REQUIRED, INVALID_SECOND_FACTOR, RATE_LIMITED, OVERLOADED.
        """
        async with self.guard_guess(account, visitor) as tried:
            return await self._prove(account, password, second_factor, tried)

    async def prove_second_factor(
        self, account: Account, second_factor: str, visitor: Visitor
    ) -> tuple[str, ...]:
        """Return the methods of an account whose first factor another provider has proven.

        Raises ACCOUNT_LOCKED, SECOND_FACTOR_REQUIRED, INVALID_SECOND_FACTOR, RATE_LIMITED.
        """
        async with self.guard_guess(account, visitor) as tried:
            methods = await self._second_proof(account, second_factor, tried)
            tried.has_succeeded = True
        return (PROVIDER_METHOD, *(each for each in methods if each not in PASSWORD_AMR))

    async def begin_proven(self, account: Account, visitor: Visitor, amr: tuple[str, ...]) -> SignInResult:
        """Store a session of an account that was proven by these methods.

        Raises OVERLOADED when the account has changed since so that its sessions ended.
        """
        session, token = self.begin_session(account, visitor, amr)
        if not await self._sessions.begin(session):
            raise _changing_account()
        return await self.sign_in_result(account, session, token, visitor)

    def guard_guess(
        self, account: Account, visitor: Visitor, report: ReportStanding = lambda _: None
    ) -> AbstractAsyncContextManager[SignInOutcome]:
        """Guard a block that checks a proof of an account's owner; a wrong one is a failed sign-in."""
        attempt = self._attempt(normalise_address(account.email), account, visitor)
        return self._throttle.guard_attempt(attempt, self._recording(account, report))

    def guard_unknown(
        self, name: str, visitor: Visitor, report: ReportStanding
    ) -> AbstractAsyncContextManager[SignInOutcome]:
        """Guard a block that checks a proof of nobody's account; `name` counts for its address."""
        return self._throttle.guard_attempt(self._attempt(name, None, visitor), report)

    async def _prove(
        self, account: Account | None, password: str, second_factor: str, tried: SignInOutcome
    ) -> tuple[str, ...] | None:
        """Do the same as `prove` in a guarded block; without an account it takes as long, and is None."""
        matches = await self._hasher.verify_password(password, account.password_hash if account else None)
        if account is None or not matches:
            return None
        amr = await self._second_proof(account, second_factor, tried)
        tried.has_succeeded = True
        return amr

    async def _second_proof(
        self, account: Account, second_factor: str, tried: SignInOutcome
    ) -> tuple[str, ...]:
        # Neither a failure nor a success: a success would forget the wrong codes before it.
        tried.is_undecided = True
        account.check_may_sign_in()
        if not account.needs_second_factor:
            tried.is_undecided = False
            return PASSWORD_AMR
        if not second_factor:
            raise second_factor_required()
        tried.is_undecided = False
        return await self._second_factors.use_code(account, second_factor)

    async def forget_failures(self, account: Account, visitor: Visitor) -> None:
        """Forget the failed sign-ins at an account, as after its owner has chosen another password."""
        await self._throttle.forget_failures(self._attempt(normalise_address(account.email), None, visitor))

    async def refresh(self, refresh_token: str, visitor: Visitor = UNKNOWN_VISITOR) -> SignInResult:
        """Exchange a refresh token for new tokens. Raises INVALID_REFRESH_TOKEN or ACCOUNT_LOCKED.

        A token that was exchanged before ends its session: two parties hold it, and nothing shows which of
        them is the owner. Only the client that exchanged it just now gets the same answer again.
        """
        presented = self._token_issuer.decode_refresh_token(refresh_token, visitor)
        session = await self._exchange_token(presented)
        account = await self._accounts.get(session.user_id)
        if account is None or account.credential != session.credential:
            raise invalid_refresh_token()
        account.check_may_sign_in()
        return SignInResult(
            account,
            await self._token_issuer.access_token(account, session),
            self._token_issuer.encode_refresh_token(
                presented.find_successor(session.token_digest) or presented.successor
            ),
        )

    async def logout(self, session_id: str) -> None:
        """End a session; ending an ended one changes nothing."""
        await self._sessions.end_session(session_id, EndReason.LOGOUT, self._clock.now())
        await self.revoke_sessions([session_id])

    def begin_session(
        self, account: Account, visitor: Visitor, amr: tuple[str, ...] = PASSWORD_AMR
    ) -> tuple[Session, RefreshToken]:
        """Return a visitor's session that begins now, not stored yet, and its first refresh token."""
        return self._token_issuer.start_session(account, visitor, amr)

    async def renewed_access(self, account: Account, session: Session) -> SignInResult:
        """Return the answer with a new access token of a session, whose refresh token stays."""
        return SignInResult(account, await self._token_issuer.access_token(account, session), "")

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

    def _recording(self, account: Account | None, report: ReportStanding) -> ReportStanding:
        """Return `report`, which also has it recorded that no more failures are left at an account."""

        def report_and_record(standing: SignInStanding) -> None:
            report(standing)
            if account is not None and standing.wait_s:
                self._failures.note_spent(account.id, standing.own.limit)

        return report_and_record

    def _attempt(self, address: str, account: Account | None, visitor: Visitor) -> SignInAttempt:
        device = self._token_issuer.recognise_device(account, visitor.device_tokens) if account else None
        plan = account.effective_plan if account else AccountPlan.FREE
        return SignInAttempt(address, device.name if device else "", visitor.client, plan)

    async def _find_account(self, address: str) -> Account | None:
        account = await self._accounts.get(await self._accounts.find_user_id_or_spare(address))
        return account if account and account.holds(address) else None

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


def _changing_account() -> DomainError:
    return DomainError(
        "OVERLOADED", "The account is being changed; try again in a moment.", retry_after_s=1.0
    )
