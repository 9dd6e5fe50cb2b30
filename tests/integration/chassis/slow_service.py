"""A service for tests of the runtime: one slow call, one periodic task. Started as a process of its own."""

import asyncio
from typing import Any

from chassis.observability.logging import get_logger
from chassis.roles.periodic_tasks import PeriodicTask
from chassis.runtime import ServiceDefinition, ServiceResources, run_service
from chassis.settings import ChassisSettings
from internshipconnect.auth.v1 import auth_pb2, auth_pb2_grpc

SLOW_S = 0.7

log = get_logger()


class SlowAuthServicer(auth_pb2_grpc.AuthServiceServicer):
    """Answers GetJwks after a while, and nothing else."""

    async def GetJwks(self, request: auth_pb2.GetJwksRequest, context: Any) -> auth_pb2.Jwks:
        await asyncio.sleep(SLOW_S)
        return auth_pb2.Jwks(keys=[auth_pb2.Jwk(kid="slow")])


async def _unanswered(self: SlowAuthServicer, request: Any, context: Any) -> Any:
    raise NotImplementedError


def _complete_servicer() -> object:
    """Return a servicer that answers every RPC of its contract, as it has to."""
    names = [method.name for method in auth_pb2.DESCRIPTOR.services_by_name["AuthService"].methods]
    return type("WholeSlowAuth", (SlowAuthServicer,), {n: _unanswered for n in names if n != "GetJwks"})()


def build_slow_service(resources: ServiceResources[ChassisSettings]) -> ServiceDefinition:
    async def tick() -> None:
        log.info("tick")

    async def closed() -> None:
        log.info("closed")

    return ServiceDefinition(
        servicers=(_complete_servicer(),),
        periodic_tasks=(PeriodicTask("tick", 0.1, tick),),
        on_close=(closed,),
    )


if __name__ == "__main__":
    run_service("auth", ChassisSettings, build_slow_service)
