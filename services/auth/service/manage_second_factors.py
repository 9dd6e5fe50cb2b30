"""Turning second factors on and off, and proving oneself again."""

from typing import Final

from chassis.aggregates import AggregateChange
from chassis.call_context import SECOND_FACTOR_METHOD
from chassis.clock import Clock
from chassis.errors import DomainError, domain_error
from services.auth.domain.accounts import Account
from services.auth.domain.events import SecondFactorWasChanged
from services.auth.domain.passwords import MIN_PASSWORD_CHARS
from services.auth.domain.second_factors import (
    OTP_METHODS,
    SecondFactorChangeKind,
    authenticator_uri,
    new_recovery_codes,
    new_secret,
    second_factor_required,
)
from services.auth.domain.sessions import Session
from services.auth.domain.sign_in_result import SignInResult
from services.auth.domain.visitor import UNKNOWN_VISITOR, Visitor
from services.auth.key_store import KeyStore
from services.auth.repository import AccountChange, AccountRepository, SessionRepository
from services.auth.service.manage_sessions import ManageSessions
from services.auth.service.replace_password import wrong_password
from services.auth.service.second_factor_check import SecondFactorCheck
from services.auth.service.sign_in import SignIn

_CHOOSE_LONGER: Final = (
    f"Without a second factor a password has at least {MIN_PASSWORD_CHARS} characters;"
    " choose a longer one first."
)


class ManageSecondFactors:
    """The authenticator app of an account, its recovery codes, and fresh proofs of a session."""

    def __init__(
        self,
        accounts: AccountRepository,
        sessions: SessionRepository,
        *,
        key_store: KeyStore,
        check: SecondFactorCheck,
        sign_in: SignIn,
        manage_sessions: ManageSessions,
        clock: Clock,
    ) -> None:
        self._accounts = accounts
        self._sessions = sessions
        self._key_store = key_store
        self._check = check
        self._sign_in = sign_in
        self._manage_sessions = manage_sessions
        self._clock = clock

    async def get_account(self, user_id: str) -> Account:
        """Return the account with its factors."""
        return await self._accounts.get_or_raise(user_id)

    async def begin(self, user_id: str) -> tuple[str, str]:
        """Return a new secret for an app, and the same as an address. Raises AUTHENTICATOR_IN_USE."""
        secret = new_secret()
        authenticator = self._key_store.seal_authenticator(secret, user_id)

        def decide(account: Account) -> AggregateChange[Account]:
            _require_no_authenticator(account)
            return AggregateChange(account.with_authenticator(authenticator))

        account = await self._accounts.update(user_id, decide)
        return secret, authenticator_uri(secret, account.email)

    async def confirm(
        self, user_id: str, session_id: str, code: str, visitor: Visitor = UNKNOWN_VISITOR
    ) -> tuple[list[str], SignInResult]:
        """Turn the app on, end all other sessions, and return recovery codes and a new access token.

        Raises INVALID_SECOND_FACTOR, AUTHENTICATOR_IN_USE, RATE_LIMITED after too many wrong codes.
        """
        codes, sealed = self._new_codes(user_id)

        def decide(account: Account) -> AggregateChange[Account]:
            _require_no_authenticator(account)
            step = self._check.find_step(account, code)
            if account.authenticator is None:
                raise second_factor_required()
            resealed, _ = self._key_store.reseal_second_factors(account.authenticator, (), user_id)
            authenticator = resealed.confirmed_by(step, self._clock.now())
            added = _changed(account, SecondFactorChangeKind.AUTHENTICATOR_ADDED)
            return AggregateChange(account.with_new_codes(authenticator, sealed), (added,))

        known = await self._accounts.get_or_raise(user_id)
        async with self._sign_in.guard_guess(known, visitor) as tried:
            account = await self._accounts.update(user_id, decide, known=known)
            tried.has_succeeded = True
        await self._manage_sessions.end_other_sessions(user_id, session_id)
        return codes, await self.refresh_proof(account, session_id, OTP_METHODS)

    async def remove(self, user_id: str, amr: tuple[str, ...]) -> None:
        """Turn app and recovery codes off.

        Raises SECOND_FACTOR_REQUIRED for a caller by password alone, PASSWORD_TOO_SHORT for an account whose
        password is too short to be the only proof.

        All sessions of staff end, the caller's too: each of them had to prove a second factor.
        """

        def decide(account: Account | None) -> AccountChange[None]:
            if account is None or account.authenticator is None:
                return AccountChange(None)
            if account.needs_second_factor and SECOND_FACTOR_METHOD not in amr:
                raise second_factor_required()
            if account.has_short_password:
                raise domain_error("PASSWORD_TOO_SHORT", _CHOOSE_LONGER)
            removed = _changed(account, SecondFactorChangeKind.AUTHENTICATOR_REMOVED)
            return AccountChange(None, account=account.without_authenticator(), events=(removed,))

        changed = await self._accounts.update_with_session(user_id, decide)
        await self._sign_in.revoke_sessions(changed.ended_sessions)

    async def renew_recovery_codes(self, user_id: str) -> list[str]:
        """Return new recovery codes in place of all earlier ones. Raises NO_AUTHENTICATOR."""
        codes, sealed = self._new_codes(user_id)

        def decide(account: Account) -> AggregateChange[Account]:
            if account.authenticator is None or not account.needs_second_factor:
                raise domain_error("NO_AUTHENTICATOR", "There is no authenticator app.")
            renewed = _changed(account, SecondFactorChangeKind.RECOVERY_CODES_RENEWED)
            # Both are sealed with one key, which the app names.
            authenticator, _ = self._key_store.reseal_second_factors(account.authenticator, (), user_id)
            return AggregateChange(account.with_new_codes(authenticator, sealed), (renewed,))

        await self._accounts.update(user_id, decide)
        return codes

    async def reauthenticate(
        self,
        user_id: str,
        session_id: str,
        password: str,
        second_factor: str,
        visitor: Visitor = UNKNOWN_VISITOR,
    ) -> SignInResult:
        """Prove the caller again, and return a new access token of the session.

        Raises INVALID_FIELD on `password`, SECOND_FACTOR_REQUIRED, INVALID_SECOND_FACTOR, RATE_LIMITED,
        SESSION_REVOKED.
        """
        account = await self._accounts.get_or_raise(user_id)
        amr = await self._sign_in.prove(account, password, second_factor, visitor)
        if amr is None:
            raise wrong_password()
        return await self.refresh_proof(account, session_id, amr)

    async def refresh_proof(self, account: Account, session_id: str, amr: tuple[str, ...]) -> SignInResult:
        """Return a new access token of a session whose owner was proven again. Raises SESSION_REVOKED."""

        def decide(session: Session | None) -> AggregateChange[Session]:
            if session is None or session.end_time is not None:
                raise DomainError("SESSION_REVOKED", "This session has ended.")
            return AggregateChange(session.reauthenticated(amr, self._clock.now()))

        session = await self._sessions.upsert(session_id, decide)
        if session is None:
            raise DomainError("SESSION_REVOKED", "This session has ended.")
        return await self._sign_in.renewed_access(account, session)

    def _new_codes(self, user_id: str) -> tuple[list[str], tuple[bytes, ...]]:
        codes = new_recovery_codes()
        return codes, self._key_store.seal_recovery_codes(codes, user_id)


def _require_no_authenticator(account: Account) -> None:
    if account.needs_second_factor:
        raise domain_error("AUTHENTICATOR_IN_USE", "An authenticator app is on already.")


def _changed(account: Account, change: SecondFactorChangeKind) -> SecondFactorWasChanged:
    return SecondFactorWasChanged(account.id, account.email, change)
