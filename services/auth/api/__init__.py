"""The gRPC API of the auth service: parse, call, map."""

from chassis.grpc.engine.server_engine import EngineMethod
from chassis.page_tokens import PageTokens
from services.auth.api.account_deletion import AccountDeletionServicer
from services.auth.api.accounts import AuthServicer
from services.auth.api.administration import AdministrationServicer
from services.auth.api.answers import SignInAnswers
from services.auth.api.api_keys import ApiKeyServicer
from services.auth.api.gateway_checks import GatewayCheckServicer
from services.auth.api.identities import IdentityServicer
from services.auth.api.passkeys import PasskeyServicer
from services.auth.api.personal_data import AuthPersonalDataServicer
from services.auth.api.second_factors import SecondFactorServicer
from services.auth.api.security_events import SecurityEventServicer
from services.auth.service.use_cases import AuthUseCases
from services.auth.settings import AuthSettings


def build_servicers(
    cases: AuthUseCases, page_tokens: PageTokens, settings: AuthSettings
) -> tuple[object, ...]:
    """Return the service's servicers."""
    answers = SignInAnswers(is_secure=settings.is_secure)
    return (
        AuthServicer(cases, answers, issuer=settings.public_url),
        IdentityServicer(cases.provider_sign_in, answers),
        SecondFactorServicer(cases.manage_second_factors),
        PasskeyServicer(cases.manage_passkeys, cases.passkey_sign_in, answers),
        AdministrationServicer(cases.administration, cases.company_plans),
        ApiKeyServicer(cases.api_keys),
        SecurityEventServicer(cases.security_events, page_tokens),
        AuthPersonalDataServicer(cases.personal_data, page_tokens),
        AccountDeletionServicer(cases.deletions),
    )


def build_other_methods(cases: AuthUseCases) -> tuple[EngineMethod, ...]:
    """Return the methods of Envoy's API that the service answers, beside those of the contracts."""
    return GatewayCheckServicer(cases.exchange_api_keys).methods()
