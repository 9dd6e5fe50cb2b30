"""The only queries of the auth service's databases."""

from dataclasses import dataclass
from typing import Self

from chassis.clock import Clock
from chassis.security.data_keys import DataKeys
from chassis.sharding.shards import Shards
from services.auth.key_store import KeyStore
from services.auth.repository.accounts import (
    MIN_RESERVATION,
    AccountChange,
    AccountChangeResult,
    AccountRepository,
)
from services.auth.repository.api_keys import ApiKeyRepository
from services.auth.repository.chain_key import ChainKey
from services.auth.repository.collections import COLLECTIONS
from services.auth.repository.company_plans import CompanyPlanRepository, member_document
from services.auth.repository.erasures import AccountErasureRepository
from services.auth.repository.identity_directory import IdentityDirectory
from services.auth.repository.security_events import SecurityEventRepository
from services.auth.repository.sessions import SessionRepository
from services.auth.repository.signing_keys import SIGNING_KEYS_SLOT, SigningKeyRepository


@dataclass(frozen=True, slots=True)
class AuthRepositories:
    """The repositories of the auth service, and the keys that seal their contents."""

    accounts: AccountRepository
    sessions: SessionRepository
    companies: CompanyPlanRepository
    api_keys: ApiKeyRepository
    identities: IdentityDirectory
    erasures: AccountErasureRepository
    signing_keys: SigningKeyRepository
    security_events: SecurityEventRepository
    chain_key: ChainKey
    key_store: KeyStore

    @classmethod
    def open(cls, shards: Shards, data_keys: DataKeys, clock: Clock, region: str = "") -> Self:
        """Return the repositories on these shards; new accounts live in the process's `region`."""
        key_store = KeyStore(data_keys)
        chain_key = ChainKey(shards, key_store)
        chain = SecurityEventRepository(shards, chain_key, clock)
        return cls(
            AccountRepository(shards, region, chain),
            SessionRepository(shards, chain),
            CompanyPlanRepository(shards),
            ApiKeyRepository(shards),
            IdentityDirectory(shards),
            AccountErasureRepository(shards),
            SigningKeyRepository(shards),
            chain,
            chain_key,
            key_store,
        )


__all__ = [
    "COLLECTIONS",
    "MIN_RESERVATION",
    "SIGNING_KEYS_SLOT",
    "AccountChange",
    "AccountChangeResult",
    "AccountErasureRepository",
    "AccountRepository",
    "ApiKeyRepository",
    "AuthRepositories",
    "ChainKey",
    "CompanyPlanRepository",
    "IdentityDirectory",
    "SecurityEventRepository",
    "SessionRepository",
    "SigningKeyRepository",
    "member_document",
]
