"""Signing in, and proving oneself again, with a passkey."""

import secrets
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from chassis.clock import Clock
from chassis.errors import DomainError
from services.auth.domain.accounts import Account
from services.auth.domain.events import SecondFactorWasChanged
from services.auth.domain.passkey_changes import with_changed_passkey
from services.auth.domain.passkeys import (
    CHALLENGE_BYTES,
    Passkey,
    PasskeyChallenge,
    PasskeyProof,
    credential_key,
    find_by_credential,
    invalid_passkey,
    refused_passkey,
)
from services.auth.domain.second_factors import SecondFactorChangeKind
from services.auth.domain.sessions import RefreshToken, Session
from services.auth.domain.sign_in_result import SignInResult
from services.auth.domain.visitor import UNKNOWN_VISITOR, Visitor
from services.auth.performers import proven_owner
from services.auth.repository import AccountChange, AccountRepository, IdentityDirectory
from services.auth.service.manage_passkeys import new_ticket
from services.auth.service.manage_second_factors import ManageSecondFactors
from services.auth.service.passkey_ports import PasskeyPorts
from services.auth.service.sign_in import SignIn
from services.auth.service.sign_in_throttle import ReportStanding, SignInOutcome

BeginSession = Callable[[Account, Passkey], tuple[Session, RefreshToken]]


@dataclass(frozen=True, slots=True)
class ProvenPasskey:
    """An account and the passkey of it whose signature was right."""

    account: Account
    passkey: Passkey
    proof: PasskeyProof


@dataclass(frozen=True, slots=True)
class PasskeyUse:
    """The account and the passkey after its use, and the session that began, if any."""

    account: Account
    passkey: Passkey
    session: Session | None = None
    token: RefreshToken | None = None


class PasskeySignIn:
    """A challenge is signed once: whichever way its completion ends, it is used."""

    def __init__(
        self,
        ports: PasskeyPorts,
        accounts: AccountRepository,
        directory: IdentityDirectory,
        *,
        sign_in: SignIn,
        factors: ManageSecondFactors,
        clock: Clock,
    ) -> None:
        self._verifier = ports.verifier
        self._challenges = ports.challenges
        self._accounts = accounts
        self._directory = directory
        self._sign_in = sign_in
        self._factors = factors
        self._clock = clock

    async def begin(self) -> tuple[str, str]:
        """Return a ticket and the browser's options, for a passkey of anybody. Raises UNAVAILABLE."""
        ticket, challenge = new_ticket(), secrets.token_bytes(CHALLENGE_BYTES)
        await self._challenges.keep(ticket, PasskeyChallenge(challenge))
        return ticket, self._verifier.sign_in_options(challenge)

    async def complete(
        self,
        ticket: str,
        credential: str,
        visitor: Visitor = UNKNOWN_VISITOR,
        report: ReportStanding = lambda _: None,
    ) -> SignInResult:
        """Begin a session of the passkey's owner; `report` receives the caller's standing.

        Raises PASSKEY_INVALID for an unknown passkey and a wrong signature alike, RATE_LIMITED, UNAVAILABLE;
        only to who has signed ACCOUNT_LOCKED and PASSKEY_REFUSED.
        """
        proven = await self._prove(ticket, credential, visitor, report)
        use = await self._use(
            proven, lambda account, used: self._sign_in.begin_session(account, visitor, used.methods)
        )
        if use.session is None or use.token is None:
            raise invalid_passkey()
        return await self._sign_in.sign_in_result(use.account, use.session, use.token, visitor)

    async def reauthenticate(
        self,
        user_id: str,
        session_id: str,
        ticket: str,
        credential: str,
        visitor: Visitor = UNKNOWN_VISITOR,
    ) -> SignInResult:
        """Prove the caller again by a passkey of their account; return a new access token of the session.

        Raises as `complete` does, and SESSION_REVOKED.
        """
        proven = await self._prove(ticket, credential, visitor, lambda _: None, user_id=user_id)
        use = await self._use(proven)
        return await self._factors.refresh_proof(use.account, session_id, use.passkey.methods)

    async def _prove(
        self, ticket: str, credential: str, visitor: Visitor, report: ReportStanding, *, user_id: str = ""
    ) -> ProvenPasskey:
        """Return whose passkey has signed the ticket's challenge; with `user_id` of this account only."""
        pending = await self._challenges.take(ticket)
        if pending is None or pending.user_id:
            raise invalid_passkey()
        credential_id = self._verifier.read_credential_id(credential)
        key = credential_key(credential_id)
        owner_id = user_id or await self._directory.find_linked_user(key)
        account = await self._accounts.get(owner_id) if owner_id else None
        passkey = find_by_credential(account.passkeys, credential_id) if account else None
        async with self._guard(account, key, visitor, report) as tried:
            proof = self._verify(credential, pending.challenge, passkey)
            tried.has_succeeded = proof is not None
            tried.is_undecided = proof is not None and account is not None and not account.can_sign_in
        if account is None or passkey is None or proof is None:
            raise invalid_passkey()
        return ProvenPasskey(account, passkey, proof)

    def _guard(
        self, account: Account | None, key: str, visitor: Visitor, report: ReportStanding
    ) -> AbstractAsyncContextManager[SignInOutcome]:
        if account is None:
            return self._sign_in.guard_unknown(f"passkey {key}", visitor, report)
        return self._sign_in.guard_guess(account, visitor, report)

    def _verify(self, credential: str, challenge: bytes, passkey: Passkey | None) -> PasskeyProof | None:
        if passkey is None:
            return None
        try:
            proof = self._verifier.verify_assertion(credential, challenge, passkey.public_key)
        except DomainError:
            return None
        return proof if proof.is_backup_eligible == passkey.is_backup_eligible else None

    async def _use(self, proven: ProvenPasskey, begin: BeginSession | None = None) -> PasskeyUse:
        """Count the use in the account, and begin the session with it; ask for neither of a refused one."""

        def decide(account: Account | None) -> AccountChange[PasskeyUse]:
            found = find_by_credential(account.passkeys, proven.passkey.credential_id) if account else None
            if account is None or found is None:
                raise invalid_passkey()
            account.check_may_sign_in()
            used = found.used(proven.proof, self._clock.now())
            if found.is_refused:
                return AccountChange(PasskeyUse(account, used))
            after = with_changed_passkey(account, used)
            if used.is_refused:
                kind = SecondFactorChangeKind.PASSKEY_REFUSED
                event = SecondFactorWasChanged(account.id, account.email, kind)
                return AccountChange(PasskeyUse(after, used), account=after, events=(event,))
            session, token = begin(after, used) if begin else (None, None)
            return AccountChange(PasskeyUse(after, used, session, token), account=after, session=session)

        owner = proven.account.id
        changed = await self._accounts.update_with_session(owner, decide, performer=proven_owner(owner))
        if changed.answer.passkey.is_refused:
            raise refused_passkey()
        return changed.answer
