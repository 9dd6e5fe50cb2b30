"""Starts the auth service: `python -m services.auth serve` or `… work`."""

from chassis.runtime import ServiceDefinition, ServiceResources, run_service
from services.auth import api, event_handlers
from services.auth.failed_sign_ins import FailedSignInCounter
from services.auth.hashing import Argon2Hasher
from services.auth.jobs import jobs
from services.auth.key_store import KeyStore
from services.auth.keyring import KeyRing
from services.auth.repository import AccountRepository, SessionRepository, SigningKeyRepository
from services.auth.revocations import RedisSessionRevoker
from services.auth.service.use_cases import build_use_cases
from services.auth.settings import AuthSettings


def build_service(resources: ServiceResources[AuthSettings]) -> ServiceDefinition:
    """Build the service definition for both roles."""
    settings, clock, shards = resources.settings, resources.clock, resources.shards
    signing_keys, key_store = SigningKeyRepository(shards), KeyStore(settings.data_key_bytes)
    keys = KeyRing(signing_keys, key_store, clock, settings.key_rotation)
    cases = build_use_cases(
        AccountRepository(shards, settings.region),
        SessionRepository(shards),
        hasher=Argon2Hasher(threads=settings.hash_threads, queue=settings.hash_queue),
        keys=keys,
        revocations=RedisSessionRevoker(resources.redis),
        failures=FailedSignInCounter(resources.redis, settings.sign_in_policy),
        clock=clock,
        policy=settings.policy,
    )
    return ServiceDefinition(
        servicers=(api.AuthServicer(cases, keys, is_secure=settings.is_secure),),
        subscriptions=event_handlers.AuthEventHandlers().subscriptions(),
        periodic_tasks=jobs(keys),
        on_close=(cases.hasher.close,),
    )


if __name__ == "__main__":
    run_service("auth", AuthSettings, build_service)
