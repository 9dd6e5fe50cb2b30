"""Starts the auth service: `python -m services.auth serve` or `… work`."""

from chassis.runtime import Periodic, Resources, Room, run
from chassis.security.sessions import Sessions
from chassis.settings import key_bytes
from services.auth.api import AuthApi
from services.auth.domain import SignInPolicy
from services.auth.failures import FailedSignIns
from services.auth.hashing import PasswordHashing
from services.auth.keyring import KeyRing
from services.auth.revocations import RedisRevocations
from services.auth.service import Attempts, Minting, Registering, SigningIn
from services.auth.settings import Settings
from services.auth.store import AccountStore, KeyStore, SessionStore
from services.auth.vault import Vault


def build(resources: Resources[Settings]) -> Room:
    """The room, in either role."""
    settings, clock, shards = resources.settings, resources.clock, resources.shards
    vault = Vault(key_bytes(settings.data_key))
    keys = KeyRing(KeyStore(shards), vault, clock, settings.key_rotation)
    hashing = PasswordHashing(threads=settings.hash_threads, queue=settings.hash_queue)
    accounts, sessions = AccountStore(shards), SessionStore(shards)
    signing_in = SigningIn(
        accounts=accounts,
        sessions=sessions,
        hashing=hashing,
        minting=Minting(keys, vault, clock),
        revocations=RedisRevocations(Sessions(resources.redis)),
        attempts=Attempts(FailedSignIns(resources.redis, SignInPolicy(settings.failed_sign_ins_times))),
        clock=clock,
        refresh_grace=settings.refresh_grace,
    )
    is_secure = settings.public_url.startswith("https:")
    registering = Registering(
        accounts, hashing, signing_in, vault.code_key, clock, by_smtputf8=settings.smtputf8
    )
    return Room(
        servicers=(AuthApi(registering, signing_in, keys, is_secure=is_secure),),
        periodics=(Periodic("rotate-signing-keys", 600, keys.rotate),),
        on_close=(hashing.close,),
    )


if __name__ == "__main__":
    run("auth", Settings, build)
