"""Starts the auth service: `python -m services.auth serve` or `… work`."""

from chassis.runtime import ServiceDefinition, ServiceResources, run_service
from chassis.security.data_keys import DataKeys
from services.auth import api, event_handlers, hashing, jobs, oidc_client, revocations, webauthn_verifier
from services.auth.failed_sign_ins import FailedSignInCounter
from services.auth.repository import AuthRepositories
from services.auth.service.use_cases import AuthUseCases, build_use_cases
from services.auth.settings import AuthSettings


def build_cases(resources: ServiceResources[AuthSettings]) -> AuthUseCases:
    """Build the use cases on the service's stores; operators' tools use them, too."""
    settings, clock, keys = resources.settings, resources.clock, DataKeys.from_settings(resources.settings)
    return build_use_cases(
        AuthRepositories.open(resources.shards, keys, clock, settings.region),
        hasher=hashing.Argon2Hasher(threads=settings.hash_threads, queue=settings.hash_queue),
        revocations=revocations.RedisSessionRevoker(resources.redis),
        failures=FailedSignInCounter(resources.redis, settings.sign_in_policy),
        providers=oidc_client.open_provider_ports(settings.oidc, resources.redis),
        passkeys=webauthn_verifier.open_passkey_ports(settings.passkey_site, resources.redis),
        clock=clock,
        policy=settings.policy,
    )


def build_service(resources: ServiceResources[AuthSettings]) -> ServiceDefinition:
    """Build the service definition for both roles."""
    cases = build_cases(resources)
    return ServiceDefinition(
        servicers=api.build_servicers(cases, resources.page_tokens, resources.settings),
        other_methods=api.build_other_methods(cases),
        subscriptions=event_handlers.all_subscriptions(cases),
        periodic_tasks=jobs.jobs(cases.keys, cases.renew_seals, cases.deletions),
        on_close=(cases.close,),
    )


if __name__ == "__main__":
    run_service("auth", AuthSettings, build_service)
