"""All use cases of the auth service, made from what they share."""

from dataclasses import dataclass
from datetime import timedelta

from chassis.clock import Clock
from services.auth.failed_sign_ins import FailedSignInCounter
from services.auth.hashing import Argon2Hasher
from services.auth.keyring import KeyRing
from services.auth.repository import AccountRepository, SessionRepository
from services.auth.service.register import Register
from services.auth.service.sign_in import REFRESH_GRACE, SignIn
from services.auth.service.sign_in_throttle import SignInThrottle
from services.auth.service.token_issuer import SessionRevoker, TokenIssuer


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthPolicy:
    """The operator's settings: how long a lost refresh is repeated, and if the mail server has SMTPUTF8."""

    refresh_grace: timedelta = REFRESH_GRACE
    by_smtputf8: bool = False


@dataclass(frozen=True)
class AuthUseCases:
    """One instance of each use case, and the hasher that they share, to be closed at the end."""

    register: Register
    sign_in: SignIn
    hasher: Argon2Hasher


def build_use_cases(
    accounts: AccountRepository,
    sessions: SessionRepository,
    *,
    hasher: Argon2Hasher,
    keys: KeyRing,
    revocations: SessionRevoker,
    failures: FailedSignInCounter,
    clock: Clock,
    policy: AuthPolicy,
) -> AuthUseCases:
    """Return the use cases on these repositories and adapters."""
    sign_in = SignIn(
        accounts=accounts,
        sessions=sessions,
        hasher=hasher,
        token_issuer=TokenIssuer(keys, keys.key_store, clock),
        revocations=revocations,
        throttle=SignInThrottle(failures),
        clock=clock,
        refresh_grace=policy.refresh_grace,
    )
    code_key = keys.key_store.code_key
    register = Register(accounts, hasher, sign_in, code_key, clock=clock, by_smtputf8=policy.by_smtputf8)
    return AuthUseCases(register, sign_in, hasher)
