"""The stores of a running cluster, for documents of all services in bulk."""

import asyncio
import importlib
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any, Final, Self, TypeVar

from chassis.aggregates import Aggregate
from chassis.clock import SystemClock
from chassis.concurrency.retry import RetryPolicy, retry_call_async
from chassis.errors import UNAVAILABLE_REASONS, DomainError, unavailable
from chassis.ids import slot_of_key
from chassis.mongo.documents import Document
from chassis.service_definition import ServiceResources
from chassis.sharding.reconciler import find_existing_ids
from chassis.sharding.repository import Repository
from chassis.sharding.shard import Shard
from chassis.sharding.shards import Shards
from devstack.seed.documents import COMMITTING_PLACES, EMAIL_DIRECTORY, DocumentSet, Place
from ops.cluster import Cluster
from ops.in_process_services import open_service_resources
from ops.service_names import SERVICES

MAX_DOCUMENTS_PER_INSERT: Final = 1_000
MAX_CONCURRENT_INSERTS: Final = 6
WAIT_TIMEOUT_S: Final = 120.0
SEED_RETRY_POLICY: Final = RetryPolicy(initial_s=1.0, max_s=1.0, jitter=0)

A = TypeVar("A", bound=Aggregate)
R = TypeVar("R")


@dataclass(frozen=True)
class BulkStore:
    """The services' databases, each reached as its own service reaches it."""

    resources: Mapping[str, ServiceResources[Any]]

    @classmethod
    async def open(cls, cluster: Cluster, closing: AsyncExitStack) -> Self:
        """Open the stores of all services."""
        opened = {}
        for service in SERVICES:
            module = importlib.import_module(f"services.{service}.settings")
            settings = getattr(module, f"{service.capitalize()}Settings")
            opened[service] = await open_service_resources(
                service, settings, cluster, closing, clock=SystemClock()
            )
        return cls(opened)

    def shards(self, service: str) -> Shards:
        """Return the shards of a service."""
        return self.resources[service].shards

    async def insert_missing(self, documents: DocumentSet) -> None:
        """Insert those of the documents that are not there yet; what makes the others valid comes last."""
        parts = list(documents.items())
        await self._insert_each([part for part in parts if part[0] not in COMMITTING_PLACES])
        await self._insert_each([part for part in parts if part[0] in COMMITTING_PLACES])

    async def existing_ids(self, place: Place, ids: Collection[str]) -> set[str]:
        """Return those of these IDs that are stored."""
        shards = self.shards(place.service)
        return await retry_while_unavailable(lambda: find_existing_ids(shards, place.collection, ids))

    async def get_each(self, repository: Repository[A], ids: Iterable[str]) -> list[A]:
        """Return those of these aggregates that exist."""
        wanted = list(ids)

        async def read() -> list[A]:
            found = await repository.get_each(wanted)
            if found.unavailable_ids:
                raise unavailable("a shard")
            return found.items

        return await retry_while_unavailable(read)

    async def find_user_ids(self, addresses: Iterable[str]) -> dict[str, str]:
        """Return the users to whom these addresses belong, by address."""
        shards, by_shard = self.shards(EMAIL_DIRECTORY.service), defaultdict[Shard, list[str]](list)
        for address in addresses:
            by_shard[shards.shard_for(slot_of_key(address))].append(address)

        async def read() -> dict[str, str]:
            found: dict[str, str] = {}
            for shard, own in by_shard.items():
                entries = shard.db[EMAIL_DIRECTORY.collection].find({"_id": {"$in": own}}, hint="_id_")
                found |= {entry["_id"]: entry["user_id"] async for entry in entries}
            return found

        return await retry_while_unavailable(read)

    async def _insert_each(self, parts: Iterable[tuple[Place, list[Document]]]) -> None:
        slots = asyncio.Semaphore(MAX_CONCURRENT_INSERTS)

        async def insert(shard: Shard, collection: str, documents: list[Document]) -> None:
            async with slots:
                await retry_while_unavailable(lambda: shard.db[collection].insert_missing(documents))

        async with asyncio.TaskGroup() as group:
            for place, documents in parts:
                for shard, own in self._by_shard(place, documents).items():
                    for first in range(0, len(own), MAX_DOCUMENTS_PER_INSERT):
                        some = own[first : first + MAX_DOCUMENTS_PER_INSERT]
                        group.create_task(insert(shard, place.collection, some))

    def _by_shard(self, place: Place, documents: Iterable[Document]) -> dict[Shard, list[Document]]:
        shards, groups = self.shards(place.service), defaultdict[Shard, list[Document]](list)
        for document in documents:
            groups[shards.shard_for(int(document["slot"]))].append(document)
        return groups


async def retry_while_unavailable(act: Callable[[], Awaitable[R]]) -> R:
    """Retry for two minutes while a later attempt may succeed, as on a busy machine."""
    return await retry_call_async(
        act,
        SEED_RETRY_POLICY,
        on=DomainError,
        may_retry=lambda error, _failures: _may_pass(error),
        asked_pause_s=lambda error: error.retry_after_s,
        deadline=time.monotonic() + WAIT_TIMEOUT_S,
    )


def _may_pass(error: DomainError) -> bool:
    return error.retry_after_s is not None or error.reason in UNAVAILABLE_REASONS
