"""The role `serve`: answers RPCs."""

import asyncio
from typing import Any

from chassis.grpc.adaptive_concurrency import AdaptiveConcurrencyLimit
from chassis.grpc.interceptor_chain import MAX_CONCURRENT_CALLS, build_standard_chain
from chassis.grpc.mesh import mesh_checks
from chassis.grpc.server import GrpcServer, build_grpc_server
from chassis.grpc.user_keys import user_key_source
from chassis.readiness import ReadinessCheck
from chassis.redis import RedisCluster
from chassis.redis.call_tickets import CallTickets
from chassis.redis.session_revocations import SessionRevocations
from chassis.roles.background_tasks import BackgroundTasks
from chassis.security.jwks import StaticKeySource
from chassis.security.tokens import TokenVerifier
from chassis.service_definition import ServiceDefinition, ServiceResources
from chassis.service_registry import RegistryEntry, ServiceInstance, reachable_host
from chassis.sharding.idempotency_store import MongoIdempotencyStore
from chassis.sharding.slot_map_watch import ProcessIdentity, SlotMapWatch


class ServeRole:
    """A gRPC server with the service's servicers, and its background tasks."""

    def __init__(self, resources: ServiceResources[Any], definition: ServiceDefinition) -> None:
        self._resources = resources
        self._definition = definition
        self._concurrency_limit = AdaptiveConcurrencyLimit(MAX_CONCURRENT_CALLS)
        self._server = _build_role_server(resources, definition, self._concurrency_limit)
        self._slot_map = SlotMapWatch(resources.shards, ProcessIdentity(resources.name, "serve"))
        self._tasks = BackgroundTasks()
        self._registration: RegistryEntry | None = None

    def checks(self) -> list[ReadinessCheck]:
        """Return one check: some shard answers.

        A missing shard affects its own users only; Redis only speed.
        """
        shards = [
            ReadinessCheck(f"mongo {shard.name}", shard.ping, "mongo")
            for shard in self._resources.shards.all_shards()
        ]
        return [*shards, ReadinessCheck("redis", self._ping_redis), *mesh_checks(self._resources.peers)]

    async def _ping_redis(self) -> None:
        await self._resources.redis.ping(target_nodes=RedisCluster.PRIMARIES)

    async def start(self) -> None:
        await self._slot_map.load_newest()
        settings = self._resources.settings
        self._server.listen(f"{settings.listen_host}:{settings.grpc_port}", self._resources.tls)
        for background in self._definition.background_tasks:
            self._tasks.keep_running(getattr(background, "__qualname__", repr(background)), background)
        self._tasks.keep_running("slot map", self._slot_map.follow_shards)
        self._tasks.keep_running("pressure", self._concurrency_limit.run_adjustments)
        await self._server.start()
        self._registration = _register_instance(self._resources)

    async def stop(self, grace_s: float) -> None:
        if self._registration is not None:
            self._registration.mark_draining()
            await asyncio.sleep(self._resources.settings.drain_s)
        await self._end(grace_s)
        if self._registration is not None:
            self._registration.remove()

    async def _end(self, grace_s: float) -> None:
        await asyncio.gather(*(end() for end in self._definition.on_stop))
        await self._server.stop(grace_s)
        await self._tasks.cancel()


def _register_instance(resources: ServiceResources[Any]) -> RegistryEntry | None:
    """Register this process's address with the control plane; it answers now."""
    settings = resources.settings
    if settings.registry is None:
        return None
    host = reachable_host(settings.listen_host)
    return RegistryEntry(
        settings.registry, ServiceInstance(resources.name, host, settings.grpc_port, settings.region)
    )


def _build_role_server(
    resources: ServiceResources[Any],
    definition: ServiceDefinition,
    concurrency_limit: AdaptiveConcurrencyLimit,
) -> GrpcServer:
    verifier = TokenVerifier(
        user_key_source(resources.peers),
        StaticKeySource.from_file(resources.settings.service_jwks),
        issuer=resources.settings.public_url,
    )
    chain = build_standard_chain(
        verifier=verifier,
        revocations=SessionRevocations(resources.redis),
        claims=MongoIdempotencyStore(resources.shards, resources.clock),
        concurrency_limit=concurrency_limit,
        tickets=CallTickets(resources.redis),
    )
    return build_grpc_server(
        definition.servicers, chain, resources.settings.server_engine, definition.other_methods
    )
