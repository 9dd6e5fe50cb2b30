"""Counts what the data keys of the auth service encrypt, while it serves."""

from contextlib import AsyncExitStack
from dataclasses import dataclass

import uvloop

from chassis.clock import SystemClock
from chassis.security.data_keys import DataKeys, name_data_key
from ops.cluster import Cluster
from ops.in_process_services import open_service_resources
from services.auth.key_store import KeyStore
from services.auth.repository import AuthRepositories
from services.auth.settings import AuthSettings


@dataclass(frozen=True)
class DataKeyUse:
    """How many stored secrets the data key of this name encrypts; `is_newest`: it encrypts new ones, too."""

    name: str
    is_newest: bool
    second_factors: int
    other_secrets: int


@dataclass(frozen=True)
class DataKeyStatus:
    """The use of each configured key, newest first, and how much no configured key is named for."""

    uses: tuple[DataKeyUse, ...]
    unknown: int

    @property
    def left(self) -> int:
        """The number of secrets that wait to be encrypted with the newest key."""
        return self.unknown + sum(
            use.second_factors + use.other_secrets for use in self.uses if not use.is_newest
        )


def read_data_key_status(cluster: Cluster) -> DataKeyStatus:
    """Return the status. Raises DomainError when a shard does not answer."""

    async def read() -> DataKeyStatus:
        async with AsyncExitStack() as closing:
            resources = await open_service_resources(
                "auth", AuthSettings, cluster, closing, clock=SystemClock()
            )
            keys = DataKeys.from_settings(resources.settings)
            stored = AuthRepositories.open(resources.shards, keys, SystemClock())
            signing_keys = await stored.signing_keys.list_keys()
            chain_key = await stored.chain_key.find_sealed()
            uses = []
            for key in (keys.newest, *keys.others):
                name, store = name_data_key(key), KeyStore(DataKeys(key))
                seals = [store.is_sealed_with_newest(each) for each in signing_keys]
                seals += [store.is_chain_key_current(chain_key)] if chain_key else []
                count = await stored.accounts.count_sealed_with(name)
                uses.append(DataKeyUse(name, key == keys.newest, count, sum(seals)))
            total = await stored.accounts.count_second_factors() + len(signing_keys) + (chain_key is not None)
            known = sum(use.second_factors + use.other_secrets for use in uses)
            return DataKeyStatus(tuple(uses), total - known)

    return uvloop.run(read())
