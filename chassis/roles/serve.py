"""The role `serve`: answers RPCs."""

import asyncio
from typing import Any

from redis.asyncio.cluster import RedisCluster

from chassis.grpc.adaptive_concurrency import AdaptiveConcurrencyLimit
from chassis.grpc.interceptor_chain import MAX_CONCURRENT_CALLS, build_standard_chain
from chassis.grpc.mesh import mesh_checks
from chassis.grpc.server import GrpcServer, build_grpc_server
from chassis.grpc.user_keys import user_key_source
from chassis.readiness import ReadinessCheck
from chassis.redis.call_tickets import CallTickets
from chassis.redis.session_revocations import SessionRevocations
from chassis.roles.background_tasks import BackgroundTasks
from chassis.runtime import ServiceDefinition, ServiceResources
from chassis.security.jwks import StaticKeySource
from chassis.security.tokens import TokenVerifier
from chassis.service_registry import RegistryEntry, ServiceInstance, reachable_host
from chassis.sharding.idempotency_store import MongoIdempotencyStore
from chassis.sharding.slot_map_watch import ProcessIdentity, SlotMapWatch


class ServeRole:
    """A gRPC server with the room's servicers, and its background tasks."""

    def __init__(self, resources: ServiceResources[Any], room: ServiceDefinition) -> None:
        self._resources = resources
        self._room = room
        self._pressure = AdaptiveConcurrencyLimit(MAX_CONCURRENT_CALLS)
        self._server = _build_role_server(resources, room, self._pressure)
        self._slot_map = SlotMapWatch(resources.shards, ProcessIdentity(resources.name, "serve"))
        self._tasks = BackgroundTasks()
        self._registration: RegistryEntry | None = None

    def checks(self) -> list[ReadinessCheck]:
        """Some shard has to answer; a missing one concerns its own users only, and Redis only speed."""
        shards = [
            ReadinessCheck(f"mongo {shard.name}", shard.ping, "mongo")
            for shard in self._resources.shards.all()
        ]
        return [*shards, ReadinessCheck("redis", self._ask_redis), *mesh_checks(self._resources.peers)]

    async def _ask_redis(self) -> None:
        await self._resources.redis.ping(target_nodes=RedisCluster.PRIMARIES)

    async def start(self) -> None:
        await self._slot_map.begin()
        self._server.listen(f"{self._resources.settings.listen_host}:{self._resources.settings.grpc_port}")
        for background in self._room.background:
            self._tasks.keep(getattr(background, "__qualname__", repr(background)), background)
        self._tasks.keep("slot map", self._slot_map.run)
        self._tasks.keep("pressure", self._pressure.watch)
        await self._server.start()
        self._registration = _register_instance(self._resources)

    async def stop(self, grace_s: float) -> None:
        if self._registration is not None:
            self._registration.drain()
            await asyncio.sleep(self._resources.settings.drain_s)
        await self._end(grace_s)
        if self._registration is not None:
            self._registration.withdraw()

    async def _end(self, grace_s: float) -> None:
        await asyncio.gather(*(end() for end in self._room.on_stop))
        await self._server.stop(grace_s)
        await self._tasks.cancel()


def _register_instance(resources: ServiceResources[Any]) -> RegistryEntry | None:
    """Tells the control plane where this process answers, now that it does."""
    settings = resources.settings
    if settings.registry is None:
        return None
    host = reachable_host(settings.listen_host)
    return RegistryEntry(
        settings.registry, ServiceInstance(resources.name, host, settings.grpc_port, settings.region)
    )


def _build_role_server(
    resources: ServiceResources[Any], room: ServiceDefinition, pressure: AdaptiveConcurrencyLimit
) -> GrpcServer:
    verifier = TokenVerifier(
        user_key_source(resources.peers), StaticKeySource.from_file(resources.settings.service_jwks)
    )
    chain = build_standard_chain(
        verifier=verifier,
        revocations=SessionRevocations(resources.redis),
        claims=MongoIdempotencyStore(resources.shards, resources.clock),
        pressure=pressure,
        tickets=CallTickets(resources.redis),
    )
    return build_grpc_server(room.servicers, chain)
