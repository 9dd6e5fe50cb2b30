"""Starts the auth service: `python -m services.auth serve` or `… work`."""

from chassis.redis.session_revocations import SessionRevocations
from chassis.roles.periodic_tasks import PeriodicTask
from chassis.runtime import ServiceDefinition, ServiceResources, run_service
from chassis.settings import decode_key
from services.auth.api import AuthServicer
from services.auth.domain import SignInPolicy
from services.auth.failed_sign_ins import FailedSignInCounter
from services.auth.hashing import Argon2Hasher
from services.auth.key_store import KeyStore
from services.auth.keyring import KeyRing
from services.auth.repository import AccountRepository, SessionRepository, SigningKeyRepository
from services.auth.revocations import RedisSessionRevoker
from services.auth.service import Register, SignIn, SignInThrottle, TokenIssuer
from services.auth.settings import AuthSettings


def build_service(resources: ServiceResources[AuthSettings]) -> ServiceDefinition:
    """The room, in either role."""
    settings, clock, shards = resources.settings, resources.clock, resources.shards
    vault = KeyStore(decode_key(settings.data_key))
    keys = KeyRing(SigningKeyRepository(shards), vault, clock, settings.key_rotation)
    hashing = Argon2Hasher(threads=settings.hash_threads, queue=settings.hash_queue)
    accounts, sessions = AccountRepository(shards), SessionRepository(shards)
    signing_in = SignIn(
        accounts=accounts,
        sessions=sessions,
        hashing=hashing,
        minting=TokenIssuer(keys, vault, clock),
        revocations=RedisSessionRevoker(SessionRevocations(resources.redis)),
        attempts=SignInThrottle(
            FailedSignInCounter(resources.redis, SignInPolicy(settings.failed_sign_ins_times))
        ),
        clock=clock,
        refresh_grace=settings.refresh_grace,
    )
    is_secure = settings.public_url.startswith("https:")
    registering = Register(
        accounts, hashing, signing_in, vault.code_key, clock, by_smtputf8=settings.smtputf8
    )
    return ServiceDefinition(
        servicers=(AuthServicer(registering, signing_in, keys, is_secure=is_secure),),
        periodic_tasks=(PeriodicTask("rotate-signing-keys", 600, keys.rotate),),
        on_close=(hashing.close,),
    )


if __name__ == "__main__":
    run_service("auth", AuthSettings, build_service)
