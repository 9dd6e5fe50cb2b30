"""All use cases of the auth service, made from what they share."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from chassis.clock import Clock
from chassis.personal_data import PersonalDataSource
from services.auth.domain.deletions import DEFAULT_GRACE
from services.auth.failed_sign_ins import FailedSignInCounter
from services.auth.hashing import Argon2Hasher
from services.auth.keyring import KeyRing
from services.auth.repository import AuthRepositories
from services.auth.service.administer_accounts import AdministerAccounts
from services.auth.service.change_address import ChangeAddress
from services.auth.service.code_book import CodeBook
from services.auth.service.delete_accounts import DeleteAccounts, DeletionRepositories
from services.auth.service.ended_access import EndedAccess
from services.auth.service.exchange_api_keys import ExchangeApiKeys
from services.auth.service.follow_memberships import FollowMemberships
from services.auth.service.identity_provider import ProviderPorts
from services.auth.service.list_personal_data import ListAccountData
from services.auth.service.manage_api_keys import ManageApiKeys
from services.auth.service.manage_company_plans import ManageCompanyPlans
from services.auth.service.manage_passkeys import ManagePasskeys
from services.auth.service.manage_second_factors import ManageSecondFactors
from services.auth.service.manage_sessions import ManageSessions
from services.auth.service.manage_staff import ManageStaff
from services.auth.service.passkey_ports import PasskeyPorts
from services.auth.service.passkey_sign_in import PasskeySignIn
from services.auth.service.provider_accounts import ProviderAccounts
from services.auth.service.provider_sign_in import ProviderSignIn
from services.auth.service.read_security_events import ReadSecurityEvents
from services.auth.service.record_failures import RecordFailures
from services.auth.service.register import Register
from services.auth.service.renew_seals import RenewSeals
from services.auth.service.replace_password import ReplacePassword
from services.auth.service.second_factor_check import SecondFactorCheck
from services.auth.service.sign_in import REFRESH_GRACE, SignIn
from services.auth.service.sign_in_throttle import SignInThrottle
from services.auth.service.token_issuer import SessionRevoker, TokenIssuer
from services.auth.service.verify_security_events import VerifySecurityEvents

DEFAULT_KEY_ROTATION: Final = timedelta(days=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthPolicy:
    """The operator's settings.

    The issuer of tokens, how long a lost refresh is repeated, if the mail server has SMTPUTF8, how long a
    signing key signs, and how long the deletion of an account can be cancelled.
    """

    issuer: str
    refresh_grace: timedelta = REFRESH_GRACE
    by_smtputf8: bool = False
    key_rotation: timedelta = DEFAULT_KEY_ROTATION
    erasure_grace: timedelta = DEFAULT_GRACE


@dataclass(frozen=True)
class AuthUseCases:
    """One instance of each use case, the signing keys, and the hasher; `close` them at the end."""

    register: Register
    sign_in: SignIn
    provider_sign_in: ProviderSignIn
    replace_password: ReplacePassword
    change_address: ChangeAddress
    manage_sessions: ManageSessions
    manage_second_factors: ManageSecondFactors
    manage_passkeys: ManagePasskeys
    passkey_sign_in: PasskeySignIn
    memberships: FollowMemberships
    administration: AdministerAccounts
    company_plans: ManageCompanyPlans
    api_keys: ManageApiKeys
    exchange_api_keys: ExchangeApiKeys
    staff: ManageStaff
    security_events: ReadSecurityEvents
    verify_security_events: VerifySecurityEvents
    failures: RecordFailures
    renew_seals: RenewSeals
    keys: KeyRing
    hasher: Argon2Hasher
    personal_data: PersonalDataSource
    deletions: DeleteAccounts

    async def close(self) -> None:
        """Finish the tasks that run."""
        await self.failures.settle()
        await self.hasher.close()


def build_use_cases(
    repositories: AuthRepositories,
    *,
    hasher: Argon2Hasher,
    revocations: SessionRevoker,
    failures: FailedSignInCounter,
    providers: ProviderPorts,
    passkeys: PasskeyPorts,
    clock: Clock,
    policy: AuthPolicy,
) -> AuthUseCases:
    """Return the use cases on these repositories and adapters."""
    accounts, sessions, companies = repositories.accounts, repositories.sessions, repositories.companies
    key_store = repositories.key_store
    keys = KeyRing(repositories.signing_keys, key_store, clock, policy.key_rotation)
    second_factors = SecondFactorCheck(accounts, key_store, clock)
    record_failures = RecordFailures(repositories.security_events, clock)
    token_issuer = TokenIssuer(keys, key_store, clock, policy.issuer)
    sign_in = SignIn(
        accounts=accounts,
        sessions=sessions,
        hasher=hasher,
        token_issuer=token_issuer,
        revocations=revocations,
        throttle=SignInThrottle(failures),
        second_factors=second_factors,
        failures=record_failures,
        clock=clock,
        refresh_grace=policy.refresh_grace,
    )
    code_keys = key_store.code_keys
    resets = CodeBook(accounts, code_keys, clock, purpose="reset")
    addresses = CodeBook(accounts, code_keys, clock, purpose="address")
    manage_sessions = ManageSessions(sessions, revocations, clock)
    ended_access = EndedAccess(accounts, revocations, clock)
    administration = AdministerAccounts(accounts, ended_access, clock)
    company_plans = ManageCompanyPlans(companies, accounts, ended_access, clock)
    register = Register(accounts, hasher, sign_in, code_keys, clock=clock, by_smtputf8=policy.by_smtputf8)
    directory = repositories.identities
    factors = ManageSecondFactors(
        accounts,
        sessions,
        key_store=key_store,
        check=second_factors,
        sign_in=sign_in,
        manage_sessions=manage_sessions,
        clock=clock,
    )
    return AuthUseCases(
        register,
        sign_in,
        ProviderSignIn(
            providers,
            accounts=accounts,
            directory=directory,
            provider_accounts=ProviderAccounts(
                accounts, directory, hasher=hasher, register=register, sign_in=sign_in, clock=clock
            ),
            sign_in=sign_in,
            clock=clock,
        ),
        ReplacePassword(accounts, hasher, sign_in, resets, clock),
        ChangeAddress(accounts, sign_in, addresses, clock, by_smtputf8=policy.by_smtputf8),
        manage_sessions,
        factors,
        ManagePasskeys(passkeys, accounts, directory, clock),
        PasskeySignIn(passkeys, accounts, directory, sign_in=sign_in, factors=factors, clock=clock),
        FollowMemberships(accounts, companies, company_plans, ended_access, clock),
        administration,
        company_plans,
        ManageApiKeys(
            repositories.api_keys,
            accounts=accounts,
            companies=companies,
            security_events=repositories.security_events,
            revocations=revocations,
            clock=clock,
        ),
        ExchangeApiKeys(repositories.api_keys, companies, token_issuer, clock),
        ManageStaff(
            accounts,
            administration,
            hasher=hasher,
            codes=resets,
            ended_access=ended_access,
            clock=clock,
            by_smtputf8=policy.by_smtputf8,
        ),
        ReadSecurityEvents(repositories.security_events, accounts),
        VerifySecurityEvents(repositories.security_events),
        record_failures,
        RenewSeals(accounts, repositories.signing_keys, repositories.chain_key, key_store),
        keys,
        hasher,
        ListAccountData(accounts, sessions, repositories.security_events).source,
        DeleteAccounts(
            DeletionRepositories(accounts, repositories.erasures, companies),
            manage_sessions,
            ended_access,
            clock,
            policy.erasure_grace,
        ),
    )
