"""The role `serve`: answers RPCs."""

import asyncio
from typing import Any

from redis.asyncio.cluster import RedisCluster

from chassis.grpc.chain import MOST_IN_FLIGHT, standard_chain
from chassis.grpc.mesh import mesh_checks
from chassis.grpc.pressure import Pressure
from chassis.grpc.server import GrpcServer, build_server
from chassis.idempotency import MongoClaims
from chassis.mongo.watching import Identity, SlotMapWatch
from chassis.readiness import Check
from chassis.registration import Instance, Registration, reachable
from chassis.roles.role import Tasks
from chassis.runtime import Resources, Room
from chassis.security.jwks import StaticKeys
from chassis.security.sessions import Sessions
from chassis.security.tickets import Tickets
from chassis.security.tokens import TokenVerifier
from chassis.security.user_keys import user_keys


class Serve:
    """A gRPC server with the room's servicers, and its background tasks."""

    def __init__(self, resources: Resources[Any], room: Room) -> None:
        self._resources = resources
        self._room = room
        self._pressure = Pressure(MOST_IN_FLIGHT)
        self._server = _server(resources, room, self._pressure)
        self._slot_map = SlotMapWatch(resources.shards, Identity(resources.name, "serve"))
        self._tasks = Tasks()
        self._registration: Registration | None = None

    def checks(self) -> list[Check]:
        """Some shard has to answer; a missing one concerns its own users only, and Redis only speed."""
        shards = [Check(f"mongo {shard.name}", shard.ping, "mongo") for shard in self._resources.shards.all()]
        return [*shards, Check("redis", self._ask_redis), *mesh_checks(self._resources.peers)]

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
        self._registration = _registered(self._resources)

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


def _registered(resources: Resources[Any]) -> Registration | None:
    """Tells the control plane where this process answers, now that it does."""
    settings = resources.settings
    if settings.registry is None:
        return None
    host = reachable(settings.listen_host)
    return Registration(
        settings.registry, Instance(resources.name, host, settings.grpc_port, settings.region)
    )


def _server(resources: Resources[Any], room: Room, pressure: Pressure) -> GrpcServer:
    verifier = TokenVerifier(
        user_keys(resources.peers), StaticKeys.from_file(resources.settings.service_jwks)
    )
    chain = standard_chain(
        verifier=verifier,
        revocations=Sessions(resources.redis),
        claims=MongoClaims(resources.shards, resources.clock),
        pressure=pressure,
        tickets=Tickets(resources.redis),
    )
    return build_server(room.servicers, chain)
