"""A service for tests of the runtime: one slow call, one periodic task. Started as a process of its own."""

import asyncio
from typing import Any

from chassis.observability.logging import get_logger
from chassis.runtime import Periodic, Resources, Room, run
from chassis.settings import ChassisSettings
from internshipconnect.auth.v1 import auth_pb2, auth_pb2_grpc

SLOW_S = 0.7

log = get_logger()


class SlowAuth(auth_pb2_grpc.AuthServiceServicer):
    """Answers GetJwks after a while, and nothing else."""

    async def GetJwks(self, request: auth_pb2.GetJwksRequest, context: Any) -> auth_pb2.Jwks:
        await asyncio.sleep(SLOW_S)
        return auth_pb2.Jwks(keys=[auth_pb2.Jwk(kid="slow")])


async def _unanswered(self: SlowAuth, request: Any, context: Any) -> Any:
    raise NotImplementedError


def _whole_servicer() -> object:
    """A servicer has to answer every RPC of its contract."""
    names = [method.name for method in auth_pb2.DESCRIPTOR.services_by_name["AuthService"].methods]
    return type("WholeSlowAuth", (SlowAuth,), {n: _unanswered for n in names if n != "GetJwks"})()


def build(resources: Resources[ChassisSettings]) -> Room:
    async def tick() -> None:
        log.info("tick")

    async def closed() -> None:
        log.info("closed")

    return Room(servicers=(_whole_servicer(),), periodics=(Periodic("tick", 0.1, tick),), on_close=(closed,))


if __name__ == "__main__":
    run("auth", ChassisSettings, build)
